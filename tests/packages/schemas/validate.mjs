// validate.mjs FILE...: every object in the YAML files against the schema of its apiVersion and kind, as Kubernetes and KEDA
// publish them. Says each mistake, then how many objects are valid; exits 1 when one is not.
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

async function model(object) {
  const source = object.apiVersion.startsWith("keda.sh/") ? "@kubernetes-models/keda" : "kubernetes-models";
  return (await import(`${source}/${object.apiVersion}`))[object.kind];
}

// The schemas let fields pass that they do not know; Kubernetes would drop them. What their validators never look at is
// such a field: `value` comes back as one that notes into `unseen` the path of each field until it is looked at.
function watched(value, path, unseen) {
  if (value === null || typeof value !== "object") return value;
  const inner = Array.isArray(value) ? [] : {};
  for (const [key, each] of Object.entries(value)) {
    const place = `${path}.${key}`;
    if (!Array.isArray(value)) unseen.add(place);
    inner[key] = watched(each, place, unseen);
  }
  return new Proxy(inner, {
    get(target, key) {
      unseen.delete(`${path}.${String(key)}`);
      return target[key];
    },
  });
}

let valid = 0;
let mistakes = 0;
for (const file of process.argv.slice(2)) {
  // YAML 1.1, as Kubernetes reads it: 0440 is octal.
  for (const document of parseAllDocuments(readFileSync(file, "utf8"), { version: "1.1" })) {
    const object = document.toJS();
    // Kustomize's own file is no object of a cluster.
    if (object.kind === "Kustomization") continue;
    const unseen = new Set();
    const said = [];
    try {
      const Model = await model(object);
      // On the object itself: the model would look at all of it to copy it.
      Model.prototype.validate.call(watched(object, "", unseen));
    } catch (error) {
      said.push(error.message);
    }
    said.push(...[...unseen].map((path) => `no field ${path}`));
    for (const each of said) console.log(`${file}: ${object.kind} ${object.metadata?.name}: ${each}`);
    if (said.length === 0) valid += 1;
    else mistakes += 1;
  }
}
console.log(`${valid} objects are valid, ${mistakes} are not`);
process.exit(mistakes === 0 ? 0 : 1);
