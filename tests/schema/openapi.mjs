// Holds schema/openapi.json against judges that are not ours: @redocly/cli for the description, ajv for the schemas and the examples in it.
//
// Exit 0 all is well, 1 it is not, 77 the judges are not installed (npm ci in tests/).
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url)), root = join(here, "..", "..");
const redocly = join(here, "..", "node_modules", "@redocly", "cli", "bin", "cli.js");
let Ajv, formats;
try {
    Ajv = (await import("ajv/dist/2020.js")).default.default ?? (await import("ajv/dist/2020.js")).default;
    formats = (await import("ajv-formats")).default.default ?? (await import("ajv-formats")).default;
} catch {
    console.log("SKIP: ajv is not installed; run 'npm ci' in tests/");
    process.exit(77);
}
if (!existsSync(redocly)) {
    console.log("SKIP: @redocly/cli is not installed; run 'npm ci' in tests/");
    process.exit(77);
}

let wrong = 0;
const complain = (text) => { wrong++; console.error(text); };
const file = join(root, "schema", "openapi.json"), description = JSON.parse(readFileSync(file, "utf8"));

// Redocly takes what stands under $defs for schemas one level up from where ours group them: it gets the outlines of those two files, and
// ajv, below, the whole.
const scratch = mkdtempSync(join(tmpdir(), "cvf-openapi-"));
writeFileSync(join(scratch, "openapi.json"), JSON.stringify(description));
for (const name of ["record", "directive"])
    writeFileSync(join(scratch, `${name}.schema.json`), JSON.stringify({ type: "object", description: `A ${name}` }));
const lint = spawnSync(process.execPath, [redocly, "lint", "--config", join(here, "redocly.yaml"), join(scratch, "openapi.json")], {
    encoding: "utf8", env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
});
if (lint.status !== 0) complain(`${lint.stdout}${lint.stderr}`);
rmSync(scratch, { recursive: true });

// The schemas, with those of records and directives where the references look for them.
const ajv = new Ajv({ allErrors: true, strict: false });
formats(ajv);
for (const name of ["record.schema.json", "directive.schema.json"]) {
    ajv.addSchema({ ...JSON.parse(readFileSync(join(root, "schema", name), "utf8")), $id: `http://cvf/${name}` });
}
ajv.addSchema({ ...description, $id: "http://cvf/openapi.json" });
const judge = (schema) => ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', '"$ref":"http://cvf/openapi.json#/')
    .replaceAll(/"\$ref":"(record|directive)\.schema\.json"/g, '"$ref":"http://cvf/$1.schema.json"')));
for (const name of Object.keys(description.components.schemas)) ajv.getSchema(`http://cvf/openapi.json#/components/schemas/${name}`);

let examples = 0;
const used = new Set();
for (const [path, item] of Object.entries(description.paths))
    for (const [method, operation] of Object.entries(item)) {
        const contents = [operation.requestBody?.content, ...Object.values(operation.responses).map((r) => r.content)];
        for (const [media, { schema, examples: named }] of contents.flatMap((c) => Object.entries(c ?? {})))
            for (const [name, { $ref }] of Object.entries(named ?? {})) {
                const example = description.components.examples[$ref.split("/").pop()];
                used.add(name);
                examples++;
                const valid = judge(schema);
                if (!valid(example.value))
                    complain(`${method} ${path}: example ${name} of ${media} is not what its schema says: ${ajv.errorsText(valid.errors)}`);
            }
        for (const parameter of operation.parameters ?? []) {
            if (parameter.example === undefined) continue;
            examples++;
            const valid = judge(parameter.schema);
            if (!valid(parameter.example)) complain(`${method} ${path}: the example of ${parameter.name}: ${ajv.errorsText(valid.errors)}`);
        }
    }
for (const name of Object.keys(description.components.examples)) if (!used.has(name)) complain(`nobody uses example ${name}`);
console.log(`openapi: ${Object.keys(description.paths).length} paths, ${examples} examples, ${wrong} complaints`);
process.exit(wrong ? 1 : 0);
