// graphql-ws's client over our side of graphql-transport-ws: a query, a mutation, a subscription, and how bad clients are let go.
import { isDeepStrictEqual } from "node:util";
import { need, report, start } from "./pipe.mjs";

const { createClient } = await need("graphql-ws");
const judge = start();
let judged = 0, wrong = 0;
const check = (what, good, more) => { judged++; if (!good) { wrong++; console.error(what, JSON.stringify(more)); } };

// As much of a browser's WebSocket as the client uses.
class Socket {
    static CONNECTING = 0; static OPEN = 1; static CLOSING = 2; static CLOSED = 3;
    constructor(url, protocol) {
        this.readyState = 0; this.protocol = protocol;
        this.tell({ do: "ws", open: true }).then(() => { this.readyState = 1; this.onopen?.({}); });
    }
    async tell(request) {
        const answer = await judge.ask(request);
        for (const data of answer.sent) this.onmessage?.({ data });
        if (answer.closed && this.readyState < 3) { this.readyState = 3; this.onclose?.({ code: answer.closed.code, reason: answer.closed.reason, wasClean: true }); }
    }
    send(message) { this.tell({ do: "ws", message }); }
    close(code, reason) { this.readyState = 3; this.onclose?.({ code, reason, wasClean: true }); }
}
const client = createClient({ url: "ws://localhost/graphql", webSocketImpl: Socket, lazy: false, retryAttempts: 0 });
const all = async (payload) => { const out = []; for await (const one of client.iterate(payload)) out.push(one); return out; };

let got = await all({ query: "{ records(first: 1) { nodes { record_id } } }" });
check("query", isDeepStrictEqual(got, [{ data: { records: { nodes: [{ record_id: "r5" }] } } }]), got);
got = await all({ query: "mutation ($d: String!) { applyDirective(document: $d) { change } }", variables: { d: "x" } });
check("mutation", isDeepStrictEqual(got, [{ data: { applyDirective: [{ change: "created" }] } }]), got);
got = await all({ query: "subscription { records { record_id __typename ... on DnsRecord { dns_question_name } } }" });
check("subscription", got.length === 6 && got[1].data.records.dns_question_name === "example.org" && got[0].data.records.__typename === "HttpRecord", got);
const failed = await all({ query: "{ nope }" }).catch((error) => error);
check("a bad document is an error", Array.isArray(failed) && failed[0].locations[0].line === 1, failed);
const refused = await all({ query: "subscription { records(filter: \"bad(\") { record_id } }" }).catch((error) => error);
check("a bad filter is an error", Array.isArray(refused) && refused[0].path[0] === "records", refused);
await client.dispose();

const closedBy = async (...messages) => {
    let answer = await judge.ask({ do: "ws", open: true });
    for (const message of messages) answer = await judge.ask({ do: "ws", message: typeof message === "string" ? message : JSON.stringify(message) });
    return answer.closed?.code;
};
const init = { type: "connection_init" };
const subscribe = (id) => ({ id, type: "subscribe", payload: { query: "{ __typename }" } });
check("no JSON", (await closedBy("nope")) === 4400);
check("unknown type", (await closedBy({ type: "start" })) === 4400);
check("no init", (await closedBy(subscribe("1"))) === 4401);
check("two inits", (await closedBy(init, init)) === 4429);
check("no query", (await closedBy(init, { id: "1", type: "subscribe", payload: {} })) === 4400);
check("no id", (await closedBy(init, { type: "subscribe", payload: { query: "{ __typename }" } })) === 4400);
check("a second of an id that has ended", (await closedBy(init, subscribe("1"), subscribe("1"))) === undefined);
judge.end();
report("graphql websocket", judged, wrong);
