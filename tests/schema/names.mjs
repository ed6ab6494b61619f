// Holds the names of all fields against the published lists: OpenTelemetry's (npm package @opentelemetry/semantic-conventions, whose main
// entry has the stable ones) and Elastic Common Schema's (ecs-names.tsv beside this file: the names used here, with their level).
//
//   node names.mjs                        check
//   node names.mjs --take ECS-FIELDS.tsv  renew ecs-names.tsv from a full list (name, type, level), then check
//
// A leading source. or destination. stands for the end of a conversation and is no part of a convention's name, unless it is.
// Exit 0 all names are right, 1 some are not, 77 the list is not installed (npm ci in tests/).
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const join_keys = ["record.type", "record.id", "flow.id"];
const require = createRequire(import.meta.url);
let stable, every, declared;
try {
    stable = require("@opentelemetry/semantic-conventions");
    every = require("@opentelemetry/semantic-conventions/incubating");
    // Which names are deprecated only the declarations tell.
    const built = dirname(require.resolve("@opentelemetry/semantic-conventions"));
    declared = readFileSync(join(built, "experimental_attributes.d.cts"), "utf8");
} catch {
    console.log("SKIP: @opentelemetry/semantic-conventions is not installed; run 'npm ci' in tests/");
    process.exit(77);
}

const deprecated = new Set([...declared.matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s*(?:export )?declare const (ATTR_\w+)/g)]
    .filter(([, comment]) => comment.includes("@deprecated")).map(([, , name]) => name));
// Names with a free last part (http.request.header.<name>) are functions there.
function names(entry) {
    const fixed = new Set(), open = new Set();
    for (const [constant, value] of Object.entries(entry)) {
        if (!constant.startsWith("ATTR_") || deprecated.has(constant)) continue;
        if (typeof value === "function") open.add(value("").replace(/\.$/, ""));
        else fixed.add(value);
    }
    return { has: (key) => fixed.has(key) || open.has(key) || open.has(key.slice(0, key.lastIndexOf("."))), size: fixed.size + open.size };
}
const otel_stable = names(stable), otel = names(every);

const schema = JSON.parse(readFileSync(join(here, "../../schema/record.schema.json"), "utf8"));
const fields = Object.entries(schema.$defs.fields).map(([key, field]) => ({ key, origin: field["x-origin"] }));
const spellings = (key) => [key, key.replace(/^(source|destination)\./, "")];

const ecs_file = join(here, "ecs-names.tsv");
if (process.argv[2] === "--take") {
    const level = new Map(readFileSync(process.argv[3], "utf8").trim().split("\n").slice(1).map((l) => l.split("\t")).map(([n, , l]) => [n, l]));
    const used = new Set(fields.filter((f) => f.origin === "ecs").flatMap((f) => spellings(f.key).filter((s) => level.has(s)).slice(0, 1)));
    writeFileSync(ecs_file, "name\tlevel\n" + [...used].sort().map((n) => `${n}\t${level.get(n)}\n`).join(""));
}
const ecs = new Set(readFileSync(ecs_file, "utf8").trim().split("\n").slice(1).map((l) => l.split("\t")[0]));

let wrong = 0;
const complain = (text) => (wrong++, console.error(text));
const used_ecs = new Set();
for (const { key, origin } of fields) {
    const as = spellings(key);
    if (origin === "join") {
        if (!join_keys.includes(key)) complain(`${key}: no join key`);
    } else if (origin === "cvf") {
        if (!as.some((k) => k.startsWith("cvf."))) complain(`${key}: our own names begin with cvf.`);
    } else if (origin === "otel") {
        if (!as.some((k) => otel_stable.has(k))) complain(`${key}: no stable name of OpenTelemetry${as.some((k) => otel.has(k)) ? " (it is one, but not stable)" : ""}`);
    } else if (origin === "otel_dev") {
        if (!as.some((k) => otel.has(k))) complain(`${key}: no name of OpenTelemetry, or a deprecated one`);
        if (as.some((k) => otel_stable.has(k))) complain(`${key}: is stable by now`);
    } else {
        const name = as.find((k) => ecs.has(k));
        if (!name) complain(`${key}: no name of ECS that ecs-names.tsv has`);
        else used_ecs.add(name);
        if (as.some((k) => otel.has(k))) complain(`${key}: OpenTelemetry has this name, and comes first`);
    }
}
for (const name of ecs) if (!used_ecs.has(name)) complain(`ecs-names.tsv: ${name} is not used`);
const keys = new Set(fields.map((f) => f.key));
for (const key of keys)
    for (let dot = key.indexOf("."); dot > 0; dot = key.indexOf(".", dot + 1))
        if (keys.has(key.slice(0, dot))) complain(`${key.slice(0, dot)} is a prefix of ${key}`);

console.log(`${fields.length} names against ${otel_stable.size} stable and ${otel.size} names of OpenTelemetry and ${ecs.size} of ECS: ${wrong} wrong`);
process.exit(wrong === 0 && fields.length > 0 ? 0 : 1);
