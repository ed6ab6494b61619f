// graphql-http's audits of GraphQL over HTTP, with our answers given to its fetch.
import { need, report, start } from "./pipe.mjs";

const { serverAudits } = await need("graphql-http");
const judge = start();
const fetchFn = async (url, init = {}) => {
    const headers = Object.fromEntries(new Headers(init.headers ?? {}));
    const answer = await judge.ask({ do: "http", method: init.method ?? "GET", headers, parameters: [...new URL(url).searchParams], body: init.body ?? "" });
    return new Response(answer.body, { status: answer.status, headers: { "content-type": answer.type, ...(answer.allow && { allow: answer.allow }) } });
};
let judged = 0, wrong = 0;
for (const audit of serverAudits({ url: "http://localhost/graphql", fetchFn })) {
    judged++;
    const result = await audit.fn();
    if (result.status === "ok") continue;
    if (result.status !== "notice") wrong++;
    console.error(`${result.status}: ${audit.id} ${audit.name}: ${result.reason}`);
}
judge.end();
report("graphql over http", judged, wrong);
