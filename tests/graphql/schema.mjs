// Our introspection and our schema text, by graphql-js: both make the same schema, byte for byte, and it is the committed one.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { need, report, start } from "./pipe.mjs";

const { buildClientSchema, buildSchema, getIntrospectionQuery, printSchema, validateSchema } = await need("graphql");
const judge = start();
let judged = 0, wrong = 0;
const check = (what, good, more = "") => { judged++; if (!good) { wrong++; console.error(`${what} ${more}`); } };

const sdl = await judge.ask({ do: "sdl" });
const query = getIntrospectionQuery({ descriptions: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true });
const answer = await judge.ask({ do: "execute", query });
check("introspection gives errors", !answer.errors, JSON.stringify(answer.errors));
const client = buildClientSchema(answer.data);
check("the introspected schema is not valid", validateSchema(client).length === 0, String(validateSchema(client)));
const first = (a, b) => { const x = a.split("\n"), y = b.split("\n"); const i = x.findIndex((line, n) => line !== y[n]); return `at line ${i + 1}: ${x[i]} | ${y[i]}`; };
const printed = printSchema(client) + "\n";
check("the introspected schema differs from the printed one", printed === sdl, first(printed, sdl));
const built = printSchema(buildSchema(sdl)) + "\n";
check("the printed schema does not come back the same", built === sdl, first(built, sdl));
const committed = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "..", "..", "schema", "schema.graphql"), "utf8");
check("schema/schema.graphql is not what the program prints: run 'cvf schema all .'", committed === sdl, first(committed, sdl));
judge.end();
report("graphql schema", judged, wrong);
