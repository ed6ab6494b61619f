// Holds directives against schema/directive.schema.json with ajv, and our own verdict against ajv's.
//
//   node judge.mjs DIRECTIVE_JUDGE
//
// schema/examples/*.yaml and the examples of docs/directives.md are good to both, as written and as CVF writes them back. Each document of bad/*.yaml is bad to CVF; it is bad to the
// schema too, unless its file is one of those that a schema cannot judge (bad/only-cvf-*.yaml).
// Exit 0 all agree, 1 they do not, 77 the validator is not installed (npm ci in tests/).
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let Ajv, formats;
try {
    Ajv = (await import("ajv/dist/2020.js")).default.default ?? (await import("ajv/dist/2020.js")).default;
    formats = (await import("ajv-formats")).default.default ?? (await import("ajv-formats")).default;
} catch {
    console.log("SKIP: ajv is not installed; run 'npm ci' in tests/");
    process.exit(77);
}
const here = dirname(fileURLToPath(import.meta.url)), root = join(here, "..", "..");
const tool = process.argv[2];
const committed = readFileSync(join(root, "schema/directive.schema.json"), "utf8");
const ajv = new Ajv({ allErrors: true, strict: true, strictRequired: false, strictTypes: false });
formats(ajv);
const valid = ajv.compile(JSON.parse(committed));

let wrong = 0, judged = 0;
const complain = (text) => { wrong++; console.error(text); };
const explain = () => valid.errors.filter((e) => e.keyword !== "if").map((e) => `${e.instancePath} ${e.message}`).join("; ");
const inspect = (files) => execFileSync(tool, files, { encoding: "utf8", maxBuffer: 1 << 26 }).trim().split("\n").map((l) => JSON.parse(l));
const yaml = (folder) => readdirSync(folder).filter((f) => f.endsWith(".yaml")).sort().map((f) => join(folder, f));

if (execFileSync(tool, ["schema"], { encoding: "utf8" }) !== committed) complain("schema/directive.schema.json is not what is generated: directive_judge schema > …");
if (execFileSync(tool, ["reference"], { encoding: "utf8" }) !== readFileSync(join(root, "docs/directives-reference.md"), "utf8"))
    complain("docs/directives-reference.md is not what is generated: directive_judge reference > …");

const scratch = mkdtempSync(join(tmpdir(), "cvf-directive-"));
try {
    // The examples of the page are files of their own here.
    const page = readFileSync(join(root, "docs/directives.md"), "utf8");
    const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((m) => m[1]);
    const examples = blocks.map((text, i) => {
        const file = join(scratch, `docs-directives-${i + 1}.yaml`);
        writeFileSync(file, text);
        return file;
    });
    if (examples.length < 5) complain("docs/directives.md has fewer than five examples");

    const kinds = new Set();
    for (const d of inspect([...yaml(join(root, "schema/examples")), ...examples])) {
        const where = `${d.file}, document ${d.document + 1}`;
        judged++;
        kinds.add(d.tree.kind);
        for (const p of d.problems) complain(`an example is refused: ${p}`);
        for (const form of ["tree", "canonical", "shown"])
            if (d[form] && !valid(d[form])) complain(`${where}: the schema refuses an example (${form}): ${explain()}`);
    }
    if (kinds.size !== 5) complain(`examples of ${[...kinds].join(", ")} only`);

    for (const d of inspect(yaml(join(here, "bad")))) {
        const where = `${d.file}, document ${d.document + 1} (${d.tree?.metadata?.name})`;
        judged++;
        if (d.problems.length === 0) complain(`${where}: CVF takes a bad directive`);
        const good = valid(d.tree);
        const beyond = d.file.includes("/only-cvf-");
        if (good && !beyond) complain(`${where}: the schema takes a bad directive, of which CVF says ${d.problems.join("; ")}`);
        if (!good && beyond) complain(`${where}: belongs into a file of what the schema can judge: ${explain()}`);
    }
} finally {
    rmSync(scratch, { recursive: true });
}
console.log(`${judged} documents judged, ${wrong} faults`);
process.exit(wrong === 0 && judged > 0 ? 0 : 1);
