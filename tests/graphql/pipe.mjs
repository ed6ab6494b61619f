// The judged program (graphql_judge) as functions: one JSON line to it, one back.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export function start() {
    const child = spawn(process.argv[2], [], { stdio: ["pipe", "pipe", "inherit"] });
    const waiting = [];
    createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()(JSON.parse(line)));
    child.on("exit", (code) => { if (code) { console.error(`graphql_judge ended with ${code}`); process.exit(1); } });
    return {
        ask: (request) => new Promise((done) => { waiting.push(done); child.stdin.write(JSON.stringify(request) + "\n"); }),
        end: () => child.stdin.end(),
    };
}

export async function need(name) {
    try {
        return await import(name);
    } catch {
        console.log(`SKIP: ${name} is not installed; run 'npm ci' in tests/`);
        process.exit(77);
    }
}

export function report(what, judged, wrong) {
    console.log(`${what}: ${judged} judged, ${wrong} wrong`);
    process.exit(wrong || !judged ? 1 : 0);
}
