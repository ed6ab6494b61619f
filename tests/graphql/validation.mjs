// Documents good and bad: graphql-js's validate() and ours agree on which, and each error of ours stands where one of its does.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { need, report, start } from "./pipe.mjs";

const { buildSchema, parse, validate, getIntrospectionQuery } = await need("graphql");
const judge = start();
const schema = buildSchema(await judge.ask({ do: "sdl" }));
const text = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "corpus.graphql.txt"), "utf8");
const corpus = text.split(/^#{4,}.*\n/m).map((one) => one.trim()).filter(Boolean);
corpus.push(getIntrospectionQuery());

let judged = 0, wrong = 0;
for (const query of corpus) {
    judged++;
    let theirs;
    try {
        theirs = validate(schema, parse(query), undefined, { maxErrors: 100 });
    } catch (error) {
        theirs = [error];
    }
    const ours = await judge.ask({ do: "validate", query });
    const places = new Set(theirs.flatMap((e) => (e.locations ?? []).map((p) => p.line)));
    const ourPlaces = new Set(ours.flatMap((e) => (e.locations ?? []).map((p) => p.line)));
    const agree = (theirs.length === 0) === (ours.length === 0);
    const placed = [...ourPlaces].every((line) => places.has(line)) && [...places].every((line) => ourPlaces.has(line));
    if (agree && placed) continue;
    wrong++;
    console.error(`---- ${agree ? "errors stand elsewhere" : "we disagree"}\n${query}\n  theirs: ${theirs.map((e) => `${e.message} ${JSON.stringify(e.locations)}`).join("\n          ")}\n  ours:   ${ours.map((e) => `${e.message} ${JSON.stringify(e.locations)}`).join("\n          ")}`);
}
judge.end();
report("graphql validation", judged, wrong);
