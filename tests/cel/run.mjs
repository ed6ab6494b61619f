// Judges the filter language by @bufbuild/cel: every expression of cases.mjs on every record must match there exactly when it matches
// here. Exit 0 they agree, 1 they do not, 77 the judge is not installed (npm install in tests/).
//
// What differs by design is translated here, and only here: a record's groups are always there, possibly empty, so that has() answers as
// for messages; whole numbers are CEL ints as far as they fit; durations are nanoseconds, but CEL's duration beside a duration.
import { execFileSync } from "node:child_process";
import { expressions, records, refused } from "./cases.mjs";

const tool = process.argv[2];
let cel;
try {
    cel = { ...(await import("@bufbuild/cel")), ...(await import("@bufbuild/protobuf")), ...(await import("@bufbuild/protobuf/wkt")) };
} catch {
    console.log("SKIP: @bufbuild/cel is not installed; run 'npm install' in tests/");
    process.exit(77);
}
if (!tool) {
    console.error("usage: node run.mjs FILTER_EVAL");
    process.exit(1);
}
const { CelScalar, celEnv, celFunc, celMethod, celUint, create, isCelError, objectType, parse, plan, DurationSchema, TimestampSchema } = cel;

// Addresses and networks of Kubernetes, from its documentation, on BigInt.
function readIp(text) {
    const v4 = (t) => {
        const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(t);
        if (!m || m.slice(1).some((d) => Number(d) > 255 || (d.length > 1 && d[0] === "0"))) return undefined;
        return m.slice(1).reduce((n, d) => n * 256n + BigInt(d), 0n);
    };
    if (v4(text) !== undefined) return { bits: 32, value: v4(text) };
    if (!/^[0-9a-fA-F:]+$/.test(text) || text.split("::").length > 2) return undefined;
    const halves = text.split("::").map((h) => (h === "" ? [] : h.split(":")));
    const groups = halves.length === 1 ? halves[0] : [...halves[0], ...Array(8 - halves[0].length - halves[1].length).fill("0"), ...halves[1]];
    if (groups.length !== 8 || groups.some((g) => !/^[0-9a-fA-F]{1,4}$/.test(g))) return undefined;
    return { bits: 128, value: groups.reduce((n, g) => n * 65536n + BigInt("0x" + g), 0n) };
}
function readCidr(text) {
    const [address, length, more] = text.split("/");
    const ip = readIp(address);
    if (!ip || more !== undefined || !/^(0|[1-9]\d*)$/.test(length ?? "") || Number(length) > ip.bits) return undefined;
    return { ...ip, length: Number(length) };
}
function need(value, what) {
    if (value === undefined) throw new Error(`not ${what}`);
    return value;
}
const contains = (network, ip) =>
    network.bits === ip.bits && network.value >> BigInt(network.bits - network.length) === ip.value >> BigInt(network.bits - network.length);
const top = (ip, bits) => ip.value >> BigInt(ip.bits - bits);
const loopback = (ip) => (ip.bits === 32 ? top(ip, 8) === 127n : ip.value === 1n);
const linkLocal = (ip) => (ip.bits === 32 ? top(ip, 16) === 0xa9fen : top(ip, 10) === 0x3fan);
const multicast = (ip) => (ip.bits === 32 ? top(ip, 4) === 14n : top(ip, 8) === 255n);
const broadcast = (ip) => ip.bits === 32 && ip.value === 0xffffffffn;

// An address in the judge's world is its text with a mark, for the judge has no opaque types.
const { STRING, BOOL, INT } = CelScalar;
const asIp = (t) => need(readIp(t.replace(/^ip:/, "")), "an address");
const asCidr = (t) => need(readCidr(t.replace(/^cidr:/, "")), "a network");
const funcs = [
    celFunc("ip", [STRING], STRING, (t) => (need(readIp(t), "an address"), "ip:" + t)),
    celFunc("cidr", [STRING], STRING, (t) => (need(readCidr(t), "a network"), "cidr:" + t)),
    celFunc("isIP", [STRING], BOOL, (t) => readIp(t) !== undefined),
    celFunc("isCIDR", [STRING], BOOL, (t) => readCidr(t) !== undefined),
    celMethod("family", STRING, [], INT, function () { return asIp(this).bits === 32 ? 4n : 6n; }),
    celMethod("isLoopback", STRING, [], BOOL, function () { return loopback(asIp(this)); }),
    celMethod("isLinkLocalUnicast", STRING, [], BOOL, function () { return linkLocal(asIp(this)); }),
    celMethod("isGlobalUnicast", STRING, [], BOOL, function () {
        const ip = asIp(this);
        return ip.value !== 0n && !loopback(ip) && !linkLocal(ip) && !multicast(ip) && !broadcast(ip);
    }),
    celMethod("containsIP", STRING, [STRING], BOOL, function (t) { return contains(asCidr(this), asIp(t)); }),
    celMethod("containsCIDR", STRING, [STRING], BOOL, function (t) {
        const inner = asCidr(t);
        return asCidr(this).length <= inner.length && contains(asCidr(this), inner);
    }),
    celMethod("prefixLength", STRING, [], INT, function () { return BigInt(asCidr(this).length); }),
];

const fields = JSON.parse(execFileSync(tool, ["--fields"], { encoding: "utf8" }));

function timestamp(text) {
    const [, seconds, fraction = ""] = /^(.*?)(\.\d+)?Z$/.exec(text);
    return create(TimestampSchema, { seconds: BigInt(Date.parse(seconds + "Z") / 1000), nanos: Number(fraction.slice(1).padEnd(9, "0")) });
}
function duration(ns) {
    return create(DurationSchema, { seconds: BigInt(ns) / 1000000000n, nanos: Number(BigInt(ns) % 1000000000n) });
}
function value(v) {
    if (typeof v === "number") return BigInt(v);
    if (Array.isArray(v)) return v.map(value);
    if (typeof v === "object") return new Map(Object.entries(v));
    return v;
}
function world(record, withDurations) {
    const groups = {};
    const place = (key) => {
        const parts = key.split(".");
        let at = groups;
        for (const part of parts.slice(0, -1)) at = at[part] ??= {};
        return [at, parts.at(-1)];
    };
    for (const key of Object.keys(fields)) place(key);
    for (const [key, v] of Object.entries(record)) {
        if (key === "@timestamp") {
            groups.timestamp = timestamp(v);
            continue;
        }
        if (!(key in fields)) throw new Error(`no such field: ${key}`);
        const [at, name] = place(key);
        if (key === "event.duration" && withDurations) at[name] = duration(v);
        else if (key === "source.process.pid") at[name] = BigInt(v) > 9223372036854775807n ? celUint(BigInt(v)) : BigInt(v);
        else at[name] = value(v);
    }
    // Plain objects are no CEL input where a key has '-'; maps are.
    const maps = (o) => (o !== null && Object.getPrototypeOf(o) === Object.prototype && !o.$typeName ? new Map(Object.entries(o).map(([k, x]) => [k, maps(x)])) : o);
    return Object.fromEntries(Object.entries(groups).map(([k, v]) => [k, maps(v)]));
}

const env = celEnv({ funcs });
function judge(expression, record) {
    let result;
    try {
        const withDurations = /event\.duration [<>=!]+ duration|duration\([^)]*\) [<>=!]+ event\.duration/.test(expression);
        result = plan(env, parse(expression))(world(record, withDurations));
    } catch (error) {
        return { error: String(error) };
    }
    return isCelError(result) ? { error: String(result) } : { matches: result === true, other: typeof result !== "boolean" };
}

const questions = [...expressions, ...refused].flatMap((expression) => records.map((record) => ({ expression, record })));
const wire = (q) => JSON.stringify(q).replace('"18446744073709551615"', "18446744073709551615");
const answers = execFileSync(tool, { input: questions.map(wire).join("\n") + "\n", encoding: "utf8", maxBuffer: 1 << 26 })
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
let wrong = 0;
let matched = 0;
const complain = (text) => {
    wrong++;
    console.error(text);
};
questions.forEach(({ expression, record }, i) => {
    const ours = answers[i];
    const theirs = judge(expression, record);
    const where = `${expression}\n    on a ${record["record.type"]} record from ${record["source.address"]}`;
    if (refused.includes(expression)) {
        if (!("error" in ours)) complain(`accepted here: ${where}`);
        if (!("error" in theirs) && !theirs.other) complain(`accepted by CEL (${theirs.matches}): ${where}`);
    } else if ("error" in ours) {
        complain(`does not compile: ${where}\n    ${ours.error}`);
    } else if (ours.matches !== (theirs.matches ?? false)) {
        complain(`${where}\n    here ${ours.matches}, CEL ${theirs.error ?? theirs.matches}`);
    }
    matched += ours.matches === true ? 1 : 0;
});
console.log(`${expressions.length} expressions and ${refused.length} refused ones on ${records.length} records: ${matched} matches, ${wrong} disagreements`);
process.exit(wrong === 0 && matched > 0 ? 0 : 1);
