// Bundles the console: src/ into dist/, with hashes in the names, and dist/ into a table of bytes for the broker.
//
//   node build.mjs console_files.cpp     both; without an argument dist/ alone
//
// Types are checked first: what does not fit ends the build.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const types = {
  html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml',
};
const mostZipped = 200 * 1024; // All of it, as a browser loads it.

const checked = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit'], { stdio: 'inherit' });
if (checked.status !== 0) process.exit(1);

const built = await build({
  entryPoints: { main: 'src/main.tsx', style: 'src/style.css' },
  bundle: true, minify: true, format: 'esm', target: ['es2020'], jsx: 'automatic', jsxImportSource: 'preact',
  entryNames: 'assets/[name]-[hash]', outdir: 'dist', write: false, legalComments: 'none', logLevel: 'warning',
  define: { 'process.env.NODE_ENV': '"production"' },
});
const files = built.outputFiles.map((file) => ({
  path: '/assets/' + basename(file.path), bytes: Buffer.from(file.contents), forever: true,
}));
const named = (start) => files.find((file) => file.path.startsWith('/assets/' + start)).path;
const icon = readFileSync('icon.svg');
files.push({ path: '/icon.svg', bytes: icon, forever: false });
const page = readFileSync('index.html', 'utf8').replace('{{script}}', named('main')).replace('{{style}}', named('style'));
files.push({ path: '/', bytes: Buffer.from(page), forever: false });
files.sort((a, b) => (a.path < b.path ? -1 : 1));

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/assets', { recursive: true });
let zippedBytes = 0;
for (const file of files) {
  file.zipped = gzipSync(file.bytes, { level: 9 });
  zippedBytes += file.zipped.length;
  const name = file.path === '/' ? '/index.html' : file.path;
  writeFileSync('dist' + name, file.bytes);
  file.type = types[name.slice(name.lastIndexOf('.') + 1)];
  file.etag = createHash('sha256').update(file.bytes).digest('hex').slice(0, 20);
}
console.log(`console: ${files.length} files, ${Math.round(zippedBytes / 1024)} KiB as sent`);
if (zippedBytes > mostZipped) {
  console.error(`the console has outgrown its ${mostZipped / 1024} KiB`);
  process.exit(1);
}

const lines = (bytes) => {
  const out = [];
  for (let at = 0; at < bytes.length; at += 40) out.push('  ' + [...bytes.subarray(at, at + 40)].join(',') + ',');
  return out.join('\n');
};
if (process.argv[2]) {
  let text = '// Made by console/build.mjs.\n#include "broker/console/console.h"\n\nnamespace wherry::broker::console {\n\nnamespace {\n\n';
  files.forEach((file, at) => {
    text += `const unsigned char plain_${at}[] = {\n${lines(file.bytes)}\n};\n`;
    text += `const unsigned char gzip_${at}[] = {\n${lines(file.zipped)}\n};\n`;
  });
  text += `
template <std::size_t size>
std::string_view bytes_of(const unsigned char (&from)[size]) {
  return {reinterpret_cast<const char*>(from), size};
}

}  // namespace

std::span<const ConsoleFile> console_files() {
  static const ConsoleFile all[] = {
`;
  files.forEach((file, at) => {
    text += `    {"${file.path}", "${file.type}", "\\"${file.etag}\\"", ${file.forever}, bytes_of(plain_${at}), bytes_of(gzip_${at})},\n`;
  });
  text += '  };\n  return all;\n}\n\n}  // namespace wherry::broker::console\n';
  writeFileSync(process.argv[2], text);
}
