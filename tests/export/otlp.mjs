// OTLP as CVF sends it, before OpenTelemetry's own messages: a small collector on loopback takes the requests, and protobufjs, with
// the messages that @opentelemetry/otlp-transformer carries, must know every field of them. What comes out is held against the
// records that went in.
//
//   node otlp.mjs PATH-OF-export_send FILE.jsonl...
//
// Exit 0 all agree, 1 not, 77 the judge is not installed (npm ci in tests/).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

let root;
try {
    // The messages are no part of what the package exports: by path, then.
    const require = createRequire(import.meta.url);
    const main = require.resolve("@opentelemetry/otlp-transformer");
    const base = main.slice(0, main.lastIndexOf(join("otlp-transformer", "build")) + "otlp-transformer".length);
    root = require(join(base, "build", "src", "generated", "root.js"));
} catch {
    console.log("SKIP: @opentelemetry/otlp-transformer is not installed; run 'npm ci' in tests/");
    process.exit(77);
}
const [program, ...files] = process.argv.slice(2);
const messages = {
    "/v1/logs": root.opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest,
    "/v1/metrics": root.opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest,
};

// OTLP's JSON has ids in hex where ProtoJSON has base64.
const withIds = (value, key) => {
    if (Array.isArray(value)) return value.map((one) => withIds(one));
    if (value && typeof value === "object")
        return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withIds(v, k)]));
    if (key === "traceId" || key === "spanId") {
        assert.match(value, key === "traceId" ? /^[0-9a-f]{32}$/ : /^[0-9a-f]{16}$/);
        return Buffer.from(value, "hex").toString("base64");
    }
    return value;
};

// Every key that went in must come out: a field that the message does not know would vanish in silence.
const same = (sent, kept, path) => {
    if (Array.isArray(sent)) {
        assert.equal(kept?.length ?? 0, sent.length, path);
        sent.forEach((one, i) => same(one, kept[i], `${path}[${i}]`));
    } else if (sent && typeof sent === "object") {
        for (const key of Object.keys(sent)) {
            assert.ok(kept && key in kept, `${path}.${key} is no field of the message`);
            same(sent[key], kept[key], `${path}.${key}`);
        }
    } else {
        assert.equal(String(kept), String(sent), path);
    }
};

const judge = (path, body) => {
    const Message = messages[path];
    assert.ok(Message, `no such path: ${path}`);
    const sent = withIds(JSON.parse(body));
    const message = Message.fromObject(sent);
    assert.equal(Message.verify(message), null);
    const back = Message.decode(Message.encode(message).finish());
    const kept = Message.toObject(back, { longs: String, bytes: String, arrays: true, json: true });
    // proto3 leaves out of the wire what is 0, false or empty, but not where it is the chosen one of several.
    same(sent, kept, path);
    return kept;
};

const run = async (kind) => {
    const requests = [];
    let failures = 1;  // the first request of all is told to come again
    const server = createServer((request, response) => {
        const parts = [];
        request.on("data", (part) => parts.push(part));
        request.on("end", () => {
            if (failures-- > 0) return response.writeHead(503, { "Retry-After": "1" }).end();
            requests.push({ path: request.url, method: request.method, type: request.headers["content-type"], body: Buffer.concat(parts).toString() });
            response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
        });
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const child = spawn(program, [kind, `http://127.0.0.1:${server.address().port}`, ...files], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (part) => (out += part));
    const code = await new Promise((resolve) => child.on("close", resolve));
    server.close();
    assert.equal(code, 0, `export_send ${kind}: ${out}`);
    const kept = requests.map((r) => {
        assert.equal(r.method, "POST");
        assert.equal(r.type, "application/json");
        return { path: r.path, message: judge(r.path, r.body) };
    });
    return {
        stats: JSON.parse(out),
        resources: kept.flatMap(({ message }) => message.resourceLogs ?? message.resourceMetrics),
        logs: kept.filter((r) => r.path === "/v1/logs").flatMap((r) => r.message.resourceLogs.flatMap((l) => l.scopeLogs.flatMap((s) => s.logRecords))),
        metrics: kept.filter((r) => r.path === "/v1/metrics").flatMap((r) => r.message.resourceMetrics.flatMap((m) => m.scopeMetrics.flatMap((s) => s.metrics))),
    };
};

const plain = (value) => {
    if (value.arrayValue) return value.arrayValue.values.map(plain);
    if (value.kvlistValue) return Object.fromEntries(value.kvlistValue.values.map(({ key, value: v }) => [key, plain(v)]));
    const [only] = Object.values(value);
    return "intValue" in value ? Number(only) : only;
};
const attributes = (list) => {
    const out = Object.fromEntries(list.map(({ key, value }) => [key, plain(value)]));
    assert.equal(Object.keys(out).length, list.length, "an attribute stands twice");
    return out;
};

const records = files.flatMap((file) => readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line)));
const flows = records.filter((r) => r["record.type"] === "flow");
const sums = records.filter((r) => r["record.type"] === "metric");
assert.ok(sums.length > 0, "no sums to judge by");
assert.ok(flows.length > 5 && records.length > flows.length + 20, "too few records to judge by");

// All as logs: each record is there, in order, with each field and its value.
const asLogs = await run("otlp-logs");
assert.equal(asLogs.stats.delivered, records.length);
assert.equal(asLogs.logs.length, records.length);
assert.equal(asLogs.metrics.length, 0);
let withTrace = 0;
for (const [i, record] of records.entries()) {
    const log = asLogs.logs[i];
    const has = attributes(log.attributes);
    const [, seconds, fraction] = record["@timestamp"].match(/^(.*)\.(\d{9})Z$/);
    const time = `${BigInt(Date.parse(seconds + "Z")) / 1000n}${fraction}`;
    assert.equal(log.timeUnixNano, time);
    const wanted = { ...record };
    delete wanted["@timestamp"];
    if (log.traceId?.length) {
        assert.equal(Buffer.from(log.traceId, "base64").toString("hex"), record["trace.id"]);
        delete wanted["trace.id"];
        withTrace++;
    }
    if (log.spanId?.length) {
        assert.equal(Buffer.from(log.spanId, "base64").toString("hex"), record["span.id"]);
        delete wanted["span.id"];
    }
    assert.deepEqual(has, wanted);
    assert.ok(log.body.stringValue.startsWith(record["record.type"]));
    assert.ok([9, "SEVERITY_NUMBER_INFO", 13, "SEVERITY_NUMBER_WARN", 17, "SEVERITY_NUMBER_ERROR"].includes(log.severityNumber));
}
for (const resource of asLogs.resources) {
    const has = attributes(resource.resource.attributes);
    assert.equal(has["service.name"], "cvf");
    assert.equal(has["host.name"], "judge");
}

// Flows as metrics: the sums are those of the records.
const mixed = await run("otlp");
assert.equal(mixed.stats.delivered, records.length);
assert.equal(mixed.logs.length, records.length - flows.length - sums.length);
const total = (name, direction) =>
    mixed.metrics.filter((m) => m.name === name).flatMap((m) => {
        assert.ok([1, "AGGREGATION_TEMPORALITY_DELTA"].includes(m.sum.aggregationTemporality));
        assert.equal(m.sum.isMonotonic, true);
        return m.sum.dataPoints;
    }).filter((p) => attributes(p.attributes)["network.io.direction"] === direction)
        .reduce((sum, p) => sum + Number(p.asInt), 0);
const expected = (key) => flows.filter((r) => r["cvf.flow.state"] === "final").reduce((sum, r) => sum + (r[key] ?? 0), 0);
assert.ok(expected("source.bytes") > 0);
assert.equal(total("cvf.flow.io", "transmit"), expected("source.bytes"));
assert.equal(total("cvf.flow.io", "receive"), expected("destination.bytes"));
assert.equal(total("cvf.flow.packets", "transmit"), expected("source.packets"));
assert.equal(total("cvf.flow.packets", "receive"), expected("destination.packets"));
const durations = mixed.metrics.filter((m) => m.name === "cvf.flow.duration").flatMap((m) => m.histogram.dataPoints);
const ended = flows.filter((r) => r["cvf.flow.state"] === "final").length;
assert.equal(durations.reduce((sum, p) => sum + Number(p.count), 0), ended);
for (const point of durations) {
    assert.equal(point.bucketCounts.length, point.explicitBounds.length + 1);
    assert.equal(point.bucketCounts.reduce((sum, n) => sum + Number(n), 0), Number(point.count));
    assert.ok(BigInt(point.startTimeUnixNano) < BigInt(point.timeUnixNano));
}
// Sums over windows as metrics: each is a point as it is.
const points = (name) => mixed.metrics.filter((m) => m.name === name).flatMap((m) => (m.sum ?? m.exponentialHistogram).dataPoints);
assert.deepEqual(points("cvf.metric.count").map((p) => Number(p.asInt)), sums.map((r) => r["cvf.metric.count"]));
const latencies = sums.filter((r) => r["cvf.metric.latency.count"]);
assert.equal(points("cvf.metric.latency").length, latencies.length);
for (const [i, point] of points("cvf.metric.latency").entries()) {
    const record = latencies[i];
    const has = attributes(point.attributes);
    for (const key of ["cvf.metric.directive", "destination.port", "network.transport"]) assert.equal(has[key], record[key]);
    assert.ok(!("cvf.metric.count" in has) && !("source.bytes" in has) && !("record.id" in has));
    assert.equal(Number(point.count), record["cvf.metric.latency.count"]);
    assert.equal(point.scale, record["cvf.metric.latency.scale"]);
    const buckets = point.positive.bucketCounts.map(Number), offset = point.positive.offset;
    assert.deepEqual(buckets.flatMap((n, at) => (n ? [at + offset] : [])), record["cvf.metric.latency.buckets"]);
    assert.deepEqual(buckets.filter(Boolean), record["cvf.metric.latency.counts"]);
    assert.equal(buckets.reduce((sum, n) => sum + n, Number(point.zeroCount)), Number(point.count));
    assert.equal(attributes(point.exemplars[0].filteredAttributes)["record.id"], record["cvf.metric.latency.slowest"]);
    assert.equal(BigInt(point.timeUnixNano) - BigInt(point.startTimeUnixNano), BigInt(record["cvf.metric.window"]));
}

console.log(`otlp: ${records.length} records agree, ${withTrace} with a trace; ${flows.length} flows as ${mixed.metrics.length} metrics`);
