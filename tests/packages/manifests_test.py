#!/usr/bin/env python3
"""The Kubernetes manifests and the Containerfile: their form, what Kubernetes' and KEDA's schemas say, whether what they
name is there, whether the settings in them are the programs' own, and whether stops fit into the time there is for them.

Schemas come from the npm registry (kubernetes-models, versions and hashes in package-lock.json), the form is yamllint's.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).parent
TOP = HERE.parents[1]
BIN_DIR = pathlib.Path(os.environ.get("WHERRY_BIN_DIR", TOP / "build/package/bin"))
FOLDER = TOP / "packaging/kubernetes"
CONTAINERFILE = TOP / "packaging/container/Containerfile"


def documents():
    return [document for file in sorted(FOLDER.glob("*.yaml")) if file.name != "kustomization.yaml"
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def find(kind, name):
    found = [each for each in documents() if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)} of them"
    return found[0]


def workloads():
    return [each for each in documents() if each["kind"] in ("Deployment", "StatefulSet")]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m|h)", text).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


class Manifests(unittest.TestCase):
    @unittest.skipUnless(shutil.which("yamllint"), "yamllint is not installed")
    def test_they_are_yaml_as_yamllint_likes_it(self):
        rules = "{extends: default, rules: {line-length: {max: 130}, document-start: disable, octal-values: disable}}"
        done = subprocess.run(["yamllint", "--strict", "-d", rules, FOLDER], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout, "")

    def test_they_are_what_the_schemas_of_kubernetes_and_keda_say(self):
        if not shutil.which("npm"):
            self.skipTest("npm is not installed")
        with tempfile.TemporaryDirectory(prefix="wherry-schemas-") as folder:
            for name in ("package.json", "package-lock.json", "validate.mjs"):
                shutil.copy(HERE / "schemas" / name, folder)
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, text=True,
                                  capture_output=True, check=False)
            if done.returncode != 0:
                self.skipTest(f"the schemas could not be fetched: {done.stderr[-300:]}")
            done = subprocess.run(["node", "validate.mjs", *map(str, sorted(FOLDER.glob("*.yaml")))], cwd=folder, text=True,
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(f"{len(documents())} objects are valid", done.stdout)

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed")
    def test_they_are_put_together_by_kustomize(self):
        done = subprocess.run(["kubectl", "kustomize", FOLDER], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({each["kind"] for each in yaml.safe_load_all(done.stdout)},
                         {"ConfigMap", "Deployment", "PodDisruptionBudget", "Secret", "Service", "StatefulSet"})

    def test_what_they_name_is_there(self):
        for each in workloads():
            template = each["spec"]["template"]
            self.assertEqual(template["metadata"]["labels"].items() & each["spec"]["selector"]["matchLabels"].items(),
                             each["spec"]["selector"]["matchLabels"].items())
            volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
            for claim in each["spec"].get("volumeClaimTemplates", []):
                volumes[claim["metadata"]["name"]] = claim
            for volume in volumes.values():
                if "configMap" in volume:
                    find("ConfigMap", volume["configMap"]["name"])
                if "secret" in volume:
                    keys = find("Secret", volume["secret"]["secretName"])["stringData"]
                    for item in volume["secret"].get("items", []):
                        self.assertIn(item["key"], keys)
            for container in template["spec"]["containers"]:
                self.assertLessEqual({mount["name"] for mount in container["volumeMounts"]}, set(volumes))
                ports = {port["name"] for port in container["ports"]}
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    for how in ("httpGet", "tcpSocket"):
                        if how in container.get(probe, {}):
                            self.assertIn(container[probe][how]["port"], ports)
        for service in (each for each in documents() if each["kind"] == "Service"):
            broker = find("StatefulSet", "wherry-broker")["spec"]["template"]
            self.assertLessEqual(service["spec"]["selector"].items(), broker["metadata"]["labels"].items())
            self.assertEqual({port["targetPort"] for port in service["spec"]["ports"]},
                             {port["name"] for port in broker["spec"]["containers"][0]["ports"]})
        scaled = find("ScaledObject", "wherry-worker-email")["spec"]
        find("Deployment", scaled["scaleTargetRef"]["name"])
        (trigger,) = scaled["triggers"]
        reference, = find("TriggerAuthentication", trigger["authenticationRef"]["name"])["spec"]["secretTargetRef"]
        host = find("Secret", reference["name"])["stringData"][reference["key"]]
        user, password = re.fullmatch(r"http://(\w+):([\w-]+)@wherry-broker:15672/", host).groups()
        self.assertEqual(find("Secret", "wherry-passwords")["stringData"][user], password)

    def test_settings_in_them_are_what_the_programs_read(self):
        with tempfile.TemporaryDirectory(prefix="wherry-maps-") as folder:
            secrets = pathlib.Path(folder, "secrets")
            secrets.mkdir()
            for name, password in find("Secret", "wherry-passwords")["stringData"].items():
                (secrets / name).write_text(password, encoding="utf-8")
            for each in documents():
                if each["kind"] != "ConfigMap":
                    continue
                for name, text in each["data"].items():
                    path = pathlib.Path(folder, name)
                    # The library of tasks is the reader's own: any file stands for it.
                    text = re.sub(r"/\S+/libmail\.so", str(path), text.replace("/run/secrets/wherry", str(secrets)))
                    path.write_text(text, encoding="utf-8")
            for name in ("broker.yaml", "worker.yaml"):
                done = subprocess.run([BIN_DIR / "wherryctl", "config", "check", "--strict", name], cwd=folder,
                                      capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_stop_fits_into_the_time_there_is_for_it(self):
        worker = find("Deployment", "wherry-worker-email")["spec"]["template"]["spec"]
        settings = yaml.safe_load(find("ConfigMap", "wherry-worker-email")["data"]["worker.yaml"])
        self.assertGreaterEqual(worker["terminationGracePeriodSeconds"], seconds(settings["graceful_timeout"]) + 30)
        broker = find("StatefulSet", "wherry-broker")["spec"]["template"]["spec"]
        self.assertGreaterEqual(broker["terminationGracePeriodSeconds"], 30)

    def test_commands_of_probes_are_what_wherryctl_takes(self):
        container, = find("StatefulSet", "wherry-broker")["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "livenessProbe"):
            words = container[probe]["exec"]["command"]
            with tempfile.TemporaryDirectory(prefix="wherry-probe-") as folder:
                words = [folder if word == "/var/lib/wherry" else word for word in words]
                done = subprocess.run([BIN_DIR / words[0], *words[1:]], capture_output=True, text=True, check=False)
                # There is no broker; a wrong command line would be another status.
                self.assertEqual(done.returncode, 69, done.stderr)
            self.assertGreaterEqual(container[probe]["timeoutSeconds"], int(words[words.index("--timeout") + 1]))

    def test_ports_are_those_of_the_settings(self):
        for workload, name, file in (("StatefulSet", "wherry-broker", "broker.yaml"), ("Deployment", "wherry-worker-email", "worker.yaml")):
            settings = yaml.safe_load(find("ConfigMap", name)["data"][file])
            listened = settings.get("listen", {"metrics": settings.get("metrics")})
            container, = find(workload, name)["spec"]["template"]["spec"]["containers"]
            self.assertEqual({port["name"]: port["containerPort"] for port in container["ports"]},
                             {key: int(value.rpartition(":")[2]) for key, value in listened.items()})

    def test_pods_may_do_nothing_beyond_what_they_need(self):
        users = dict(re.findall(r"--uid (\d+) --gid ([\w-]+)", CONTAINERFILE.read_text(encoding="utf-8")))
        for each in workloads():
            spec = each["spec"]["template"]["spec"]
            self.assertTrue(spec["securityContext"]["runAsNonRoot"])
            self.assertIn(str(spec["securityContext"]["runAsUser"]), users)
            self.assertFalse(spec["automountServiceAccountToken"])
            for container in spec["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
                self.assertIn("memory", container["resources"]["limits"])


class Containers(unittest.TestCase):
    """Nothing here can build an image; packages_test.py installs the same packages with the same commands."""

    def test_its_stages_and_files_are_there(self):
        text = CONTAINERFILE.read_text(encoding="utf-8")
        stages = re.findall(r"^FROM \S+ AS (\w+)$", text, re.M)
        self.assertEqual(stages, ["build", "broker", "worker"])
        self.assertLessEqual(set(re.findall(r"--from=(\w+)", text)), set(stages))
        for script in re.findall(r"^RUN (scripts/\S+)", text, re.M):
            self.assertTrue(os.access(TOP / script, os.X_OK), script)

    def test_its_programs_take_their_arguments(self):
        for entry in re.findall(r"^ENTRYPOINT \[(.*)\]\n(?:CMD \[(.*)\])?", CONTAINERFILE.read_text(encoding="utf-8"), re.M):
            words = re.findall(r'"([^"]*)"', " ".join(entry))
            program = BIN_DIR / pathlib.Path(words[0]).name
            known = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
            for option in (word for word in words if word.startswith("--")):
                self.assertIn(option, known)


if __name__ == "__main__":
    unittest.main()
