// Requests executed by graphql-js over the same data: its answers and ours are the same, errors by path and place.
import { isDeepStrictEqual } from "node:util";
import { need, report, start } from "./pipe.mjs";

const { buildSchema, graphql, getIntrospectionQuery } = await need("graphql");
const judge = start();
const schema = buildSchema(await judge.ask({ do: "sdl" }));
const data = await judge.ask({ do: "data" });

// Records as GraphQL has them: "@timestamp" is timestamp, "dns.question.name" dns_question_name.
const named = (record) => ({ ...Object.fromEntries(Object.entries(record).map(([key, value]) => [key.replace("@", "").replaceAll(".", "_"), value])),
    __typename: record["record.type"][0].toUpperCase() + record["record.type"].slice(1) + "Record" });
const refuse = (message) => { throw new Error(message); };
const page = (items, first, after) => {
    if (first < 0 || first > 1000) refuse("first");
    const edges = items.slice(0, first);
    return { edges, nodes: edges.map((e) => e.node),
        pageInfo: { hasNextPage: items.length > first, hasPreviousPage: !!after, startCursor: edges[0]?.cursor ?? null, endCursor: edges.at(-1)?.cursor ?? null } };
};
const cursor = (r) => `${BigInt(Date.parse(r["@timestamp"])) * 1000000n},${r["record.id"]}`;
const root = {
    records: ({ filter, types, first, after, order }) => {
        if (filter === "bad(") refuse("filter");
        let all = data.records.map((r) => ({ cursor: cursor(r), node: named(r), type: r["record.type"] }));
        if (order !== "oldest") all.reverse();
        if (types?.length) all = all.filter((r) => types.includes(r.type));
        if (after) all = all.slice(all.findIndex((r) => r.cursor === after) + 1);
        const out = page(all, first, after);
        return { ...out, progress: { examined: 6, total: 6, matched: Math.min(all.length, first + 1), damaged: 0 } };
    },
    aggregate: ({ by, measures }) => (by?.length || measures?.length)
        ? { columns: ["host.name", "count"], rows: [["node-a", 3], [null, 1.5]], approximate: false, leftOut: 0, more: false, progress: { examined: 6, total: 6, matched: 0, damaged: 0 } } : refuse("by"),
    directives: ({ kind, first, after }) => page((kind && kind !== "Flow" ? [] : data.directives).map((d) => ({ cursor: `${d.kind}/${d.metadata.name}`, node: d })).filter((d) => !after || d.cursor > after), first, after),
    directive: ({ kind, name }) => data.directives.find((d) => d.kind === kind && d.metadata.name === name) ?? null,
    nodes: ({ first, after }) => page(data.nodes.map((n) => ({ cursor: n.name, node: n })).filter((n) => !after || n.cursor > after), first, after),
    node: ({ name }) => data.nodes.find((n) => n.name === name) ?? null,
    history: () => null,
    applyDirective: ({ dryRun, document }) => [{ change: dryRun || !document ? "unchanged" : "created", directive: data.directives[0] }],
    deleteDirective: ({ kind, name }) => data.directives.find((d) => d.kind === kind && d.metadata.name === name) ?? refuse("none"),
};

const requests = [
    ["{ records { nodes { record_id } } }"],
    ["{ records(first: 2) { edges { cursor node { __typename record_id timestamp } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } progress { matched examined } } }"],
    ["{ records(first: 2, after: \"1767323044000000000,r4\") { nodes { record_id } pageInfo { hasNextPage hasPreviousPage } } }"],
    ["{ records(first: 0) { nodes { record_id } pageInfo { hasNextPage endCursor } } }"],
    ["{ records(first: -1) { nodes { record_id } } }"],
    ["{ a: records(order: oldest, types: [dns]) { nodes { ... on DnsRecord { dns_question_name dns_resolved_ip } record_type } } b: records(types: http) { nodes { ...H } } } fragment H on HttpRecord { url_path http_response_status_code http_request_method source_port }"],
    ["{ records { nodes { record_id ... on HttpRecord { url_path } ... on FlowRecord { source_bytes } ... on Record { host_name } } } }"],
    ["{ records { nodes { record_id ...A } nodes { ...B source_address } } } fragment A on Record { flow_id } fragment B on Record { host_name ...A }"],
    ["{ records(filter: \"bad(\") { nodes { record_id } } history { records } }"],
    ["query ($n: Int = 3, $t: [RecordType!]) { records(first: $n, types: $t) { nodes { record_id record_type } } }", {}],
    ["query ($n: Int = 3, $t: [RecordType!]) { records(first: $n, types: $t) { nodes { record_id record_type } } }", { n: 1, t: ["flow"] }],
    ["query ($n: Int = 3, $t: [RecordType!]) { records(first: $n, types: $t) { nodes { record_id record_type } } }", { t: "flow" }],
    ["query ($n: Int = 3, $t: [RecordType!]) { records(first: $n, types: $t) { nodes { record_id record_type } } }", { t: ["nope"] }],
    ["query ($n: Int = 3, $t: [RecordType!]) { records(first: $n, types: $t) { nodes { record_id record_type } } }", { n: 1.5 }],
    ["query ($n: Int = 3, $t: [RecordType!]) { records(first: $n, types: $t) { nodes { record_id record_type } } }", { n: 1e3 }],
    ["query ($n: Int!) { records(first: $n) { nodes { record_id } } }", {}],
    ["query ($n: Int!) { records(first: $n) { nodes { record_id } } }", { n: null }],
    ["query ($yes: Boolean!, $no: Boolean!) { a: history @include(if: $yes) { records } b: history @skip(if: $yes) { records } records(first: 1) { nodes { record_id @skip(if: $no) flow_id @include(if: $no) ... @include(if: $no) { host_name } ...F @skip(if: $yes) } } } fragment F on Record { source_address }", { yes: true, no: false }],
    ["{ nodes { nodes { name } } }"],
    ["{ nodes { nodes { name age } } }"],
    ["{ nodes { edges { cursor node { name version capabilities } } } }"],
    ["{ nodes(first: 2) { nodes { name age lost clockSkew numbers { packets cpu } directives { node } labels } pageInfo { hasNextPage endCursor } } }"],
    ["{ n: node(name: \"node-c\") { name age } other: node(name: \"node-a\") { name age } }"],
    ["{ node(name: \"none\") { name } }"],
    ["{ directives { nodes { kind metadata { name labels generation uid } spec signature status { summary states nodes { node state since ends } } } } }"],
    ["{ directives(kind: Capture) { nodes { kind } } }"],
    ["{ directives(first: 1, after: \"Flow/a\") { edges { cursor node { metadata { name } } } } }"],
    ["{ directive(kind: Flow, name: \"b\") { __typename apiVersion metadata { name } } }"],
    ["query Q($k: DirectiveKind!, $n: String!) { directive(kind: $k, name: $n) { kind } }", { k: "Flow", n: "zzz" }],
    ["{ aggregate(measures: \"count\", by: [\"host.name\"]) { columns rows approximate more leftOut } }"],
    ["{ aggregate { columns } }"],
    ["mutation { applyDirective(document: \"x\") { change directive { kind } } }"],
    ["mutation { a: applyDirective(document: \"\"\"\n    kind: Flow\n      x: 1\n  \"\"\", dryRun: true) { change } b: deleteDirective(kind: Flow, name: \"a\") { metadata { name } } }"],
    ["mutation { deleteDirective(kind: Flow, name: \"none\") { kind } }"],
    ["query A { history { records } } query B { __typename }", undefined, "B"],
    ["query A { history { records } } query B { __typename }", undefined, "C"],
    ["query A { history { records } } query B { __typename }"],
    ["{ __type(name: \"HttpRecord\") { name kind interfaces { name } possibleTypes { name } enumValues { name } fields { name } } }"],
    ["{ __type(name: \"Record\") { kind possibleTypes { name } interfaces { name } } a: __type(name: \"None\") { name } }"],
    ["{ __type(name: \"RecordType\") { enumValues(includeDeprecated: true) { name isDeprecated } } __schema { queryType { name } mutationType { name } subscriptionType { name } directives { name locations isRepeatable args { name defaultValue type { kind ofType { name } } } } } }"],
    ["{ __schema { description types { name specifiedByURL inputFields { name } ofType { name } } } }"],
    ["{"], ["{ records }"], ["{ nope }"],
    [getIntrospectionQuery()],
];

// What later drafts added to introspection, and built-in scalars that nothing uses, are not compared.
const newer = new Set(["oneOf", "isOneOf", "DIRECTIVE_DEFINITION", "ID", "Float"]);
const older = (value) => Array.isArray(value) ? value.filter((v) => !newer.has(v) && !newer.has(v?.name)).map(older)
    : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, older(v)])) : value;
// Texts of messages and descriptions of what is built in are everybody's own.
const builtin = /^(__|String$|Int$|Float$|Boolean$|ID$)/;
const plain = (value) => {
    if (Array.isArray(value)) return value.map(plain);
    if (!value || typeof value !== "object") return value;
    const foreign = (value.name && builtin.test(value.name)) || ["include", "skip", "deprecated", "specifiedBy"].includes(value.name);
    const strip = (v) => (Array.isArray(v) ? v.map(strip) : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).filter(([k]) => k !== "description").map(([k, w]) => [k, strip(w)])) : v);
    return foreign ? strip(value) : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
};
const byName = (data) => { if (data?.__schema?.types) data.__schema.types = data.__schema.types.filter((t) => !t.name.startsWith("__")).sort((a, b) => (a.name < b.name ? -1 : 1)); return data; };
const errors = (list) => (list ?? []).map((e) => JSON.stringify([e.path ?? null, e.locations?.map((p) => p.line) ?? null])).sort();
let judged = 0, wrong = 0;
for (const [source, variableValues, operationName] of requests) {
    judged++;
    const theirs = JSON.parse(JSON.stringify(await graphql({ schema, source, rootValue: root, variableValues, operationName })));
    const ours = await judge.ask({ do: "execute", query: source, variables: variableValues ?? null, operationName: operationName ?? null });
    const a = byName(older(plain(theirs.data))), b = byName(older(plain(ours.data)));
    const same = isDeepStrictEqual(a, b) && JSON.stringify(a) === JSON.stringify(b) && (theirs.errors ? isDeepStrictEqual(errors(theirs.errors), errors(ours.errors)) : !ours.errors);
    if (same) continue;
    wrong++;
    const x = JSON.stringify(a, null, 1)?.split("\n") ?? [], y = JSON.stringify(b, null, 1)?.split("\n") ?? [], at = x.findIndex((line, n) => line !== y[n]);
    console.error(`differs: ${x.slice(at - 3, at + 3).join(" ")} | ${y.slice(at - 3, at + 3).join(" ")}`);
    console.error(`---- ${source.slice(0, 300)} ${JSON.stringify(variableValues)}\n  theirs: ${JSON.stringify(theirs).slice(0, 1500)}\n  ours:   ${JSON.stringify(ours).slice(0, 1500)}`);
}
judge.end();
report("graphql execution", judged, wrong);
