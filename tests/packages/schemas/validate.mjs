// validate.mjs FILE...: every object in the YAML files against the schema of its apiVersion and kind, as Kubernetes and KEDA
// publish them. Says each mistake, then how many objects are valid; exits 1 when one is not.
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

async function model(object) {
  const source = object.apiVersion.startsWith("keda.sh/") ? "@kubernetes-models/keda" : "kubernetes-models";
  return (await import(`${source}/${object.apiVersion}`))[object.kind];
}

let valid = 0;
let mistakes = 0;
for (const file of process.argv.slice(2)) {
  // YAML 1.1, as Kubernetes reads it: 0440 is octal.
  for (const document of parseAllDocuments(readFileSync(file, "utf8"), { version: "1.1" })) {
    const object = document.toJS();
    // Kustomize's own file is no object of a cluster.
    if (object.kind === "Kustomization") continue;
    try {
      const Model = await model(object);
      new Model(object).validate();
      valid += 1;
    } catch (error) {
      mistakes += 1;
      console.log(`${file}: ${object.kind} ${object.metadata?.name}: ${error.message}`);
    }
  }
}
console.log(`${valid} objects are valid, ${mistakes} are not`);
process.exit(mistakes === 0 ? 0 : 1);
