// Holds records against schema/record.schema.json: every line of every file named must be a valid record.
//
//   node validate.mjs FILE.jsonl... | FOLDER...     (a folder: every .jsonl in it)
//
// Exit 0 all are valid, 1 some are not (the first few are shown, and how many), 77 the validator is not installed (npm ci in tests/).
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

let Ajv, formats;
try {
    Ajv = (await import("ajv/dist/2020.js")).default.default ?? (await import("ajv/dist/2020.js")).default;
    formats = (await import("ajv-formats")).default.default ?? (await import("ajv-formats")).default;
} catch {
    console.log("SKIP: ajv is not installed; run 'npm ci' in tests/");
    process.exit(77);
}
const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const ajv = new Ajv({ allErrors: true, strict: true, strictRequired: false, strictTypes: false });
formats(ajv);
ajv.addVocabulary(["x-origin"]);
const valid = ajv.compile(JSON.parse(readFileSync(join(root, "schema/record.schema.json"), "utf8")));

const files = process.argv.slice(2).flatMap((path) =>
    statSync(path).isDirectory() ? readdirSync(path).filter((f) => f.endsWith(".jsonl")).sort().map((f) => join(path, f)) : [path]);
if (files.length === 0) {
    console.error("validate: no records to look at");
    process.exit(1);
}

let records = 0, wrong = 0;
const types = {};
const complain = (where, text, line) => {
    if (wrong++ < 20) console.error(`${where}: ${text}\n    ${line.slice(0, 300)}`);
};
for (const file of files) {
    let number = 0;
    for await (const line of createInterface({ input: createReadStream(file) })) {
        number++;
        records++;
        const where = `${file}:${number}`;
        let record;
        try {
            record = JSON.parse(line);
        } catch (error) {
            complain(where, `not JSON: ${error.message}`, line);
            continue;
        }
        types[record["record.type"]] = (types[record["record.type"]] ?? 0) + 1;
        // JSON.parse keeps the last of two equal keys: count them as written. Values hold no unescaped quote, so this split is exact.
        const keys = [...line.matchAll(/[{,]"((?:[^"\\]|\\.)*)":/g)].map((m) => m[1]);
        const top = Object.keys(record);
        if (keys.length !== top.length && new Set(keys).size !== keys.length) {
            const twice = top.filter((k) => keys.filter((x) => x === k).length > 1);
            if (twice.length) complain(where, `key stands twice: ${twice}`, line);
        }
        if (!valid(record))
            for (const e of valid.errors.filter((e) => e.keyword !== "if"))
                complain(where, `${e.instancePath} ${e.message} ${e.params.additionalProperty ?? ""}`, line);
    }
}
console.log(`${records} records in ${files.length} files (${Object.entries(types).sort().map(([t, n]) => `${t} ${n}`).join(", ")}): ${wrong} faults`);
process.exit(wrong === 0 && records > 0 ? 0 : 1);
