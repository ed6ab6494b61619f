#include "api/schemas.h"

namespace cvf::api {

std::span<const Named> answer_schemas() {
    static constexpr Named all[] = {
        {"Problem", R"({
  "type": "object", "description": "RFC 9457.", "required": ["type", "title", "status"],
  "properties": {
    "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
    "parameter": {"type": "string", "description": "The query parameter at fault."},
    "column": {"type": "integer", "minimum": 1, "description": "In its value, in characters."},
    "problems": {"type": "array", "description": "Everything that is wrong with a document.", "items": {
      "type": "object", "required": ["path", "message", "document"],
      "properties": {
        "path": {"type": "string", "description": "spec.limits.duration; empty: the whole document."},
        "message": {"type": "string"}, "nearest": {"type": "string", "description": "The nearest valid key or value."},
        "document": {"type": "integer", "minimum": 0, "description": "Of several, from 0."},
        "line": {"type": "integer", "minimum": 1}, "column": {"type": "integer", "minimum": 1},
        "expressionColumn": {"type": "integer", "minimum": 1, "description": "In an expression, in characters."}}}}}
})"},
        {"AgentStatus", R"({
  "type": "object", "description": "How a directive fares on one agent. Times are nanoseconds since 1970, UTC; counts are since it came into force there.",
  "required": ["directive", "node", "state", "generation"],
  "properties": {
    "directive": {"type": "string"}, "uid": {"type": "string"}, "generation": {"type": "integer"}, "node": {"type": "string"},
    "state": {"type": "string", "enum": ["accepted", "active", "degraded", "expired", "rejected"]}, "reason": {"type": "string"},
    "since": {"type": "integer"}, "ends": {"type": "integer"},
    "matched": {"type": "integer"}, "sampledOut": {"type": "integer"}, "limited": {"type": "integer"}, "sent": {"type": "integer"},
    "bytes": {"type": "integer"}, "lost": {"type": "integer"}}
})"},
        {"Standing", R"({
  "type": "object", "description": "A directive over all agents that are meant by it and are not lost.",
  "required": ["revision", "summary", "settled", "good", "agents", "behind", "states", "reasons", "nodes"],
  "properties": {
    "revision": {"type": "integer", "description": "Of the document; its ETag is the same in quotes."},
    "summary": {"type": "string"}, "settled": {"type": "boolean", "description": "Every agent has it."},
    "good": {"type": "boolean", "description": "And all are active or have ended by themselves."},
    "agents": {"type": "integer"}, "behind": {"type": "integer", "description": "Agents that have said nothing of this generation yet."},
    "states": {"type": "object", "additionalProperties": {"type": "integer"}},
    "reasons": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    "matched": {"type": "integer"}, "sent": {"type": "integer"}, "bytes": {"type": "integer"}, "lost": {"type": "integer"},
    "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/AgentStatus"}}}
})"},
        {"StandingDirective", R"({
  "type": "object", "description": "A directive (directive.schema.json) with its status; with `fields`, parts of it. A status in a document that is sent is let pass.",
  "properties": {
    "apiVersion": {"const": "cvf/v1"}, "kind": {"type": "string", "enum": ["Metadata", "Flow", "Capture", "Plaintext", "Topology"]},
    "metadata": {"type": "object"}, "spec": {"type": "object"}, "signature": {"type": "object"},
    "status": {"$ref": "#/components/schemas/Standing"}}
})"},
        {"DirectiveList", R"({
  "type": "object", "required": ["kind", "metadata", "items"],
  "properties": {
    "kind": {"const": "DirectiveList"}, "metadata": {"$ref": "#/components/schemas/ListMetadata"},
    "items": {"type": "array", "items": {"$ref": "#/components/schemas/StandingDirective"}}}
})"},
        {"ListMetadata", R"({
  "type": "object", "required": ["version"],
  "properties": {
    "version": {"type": "string", "description": "Grows with each change this server has seen."},
    "continue": {"type": "string", "description": "There is more: the parameter of the next request."}}
})"},
        {"ApplyResult", R"({
  "type": "object", "required": ["kind", "dryRun", "items"],
  "properties": {
    "kind": {"const": "ApplyResult"}, "dryRun": {"type": "boolean"},
    "items": {"type": "array", "items": {
      "type": "object", "required": ["kind", "name", "change", "generation"],
      "properties": {
        "kind": {"type": "string"}, "name": {"type": "string"}, "change": {"type": "string", "enum": ["created", "configured", "unchanged"]},
        "generation": {"type": "integer"}, "revision": {"type": "integer"}}}}}
})"},
        {"Node", R"({
  "type": "object", "description": "An agent as its last status has it; with `fields`, parts of it. Times are nanoseconds since 1970, UTC, durations nanoseconds.",
  "properties": {
    "name": {"type": "string"}, "instance": {"type": "string", "description": "One life of the agent."},
    "version": {"type": "string"}, "kernel": {"type": "string"}, "machine": {"type": "string"}, "cgroup": {"type": "string"},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "capabilities": {"type": "array", "items": {"type": "string"}}, "problems": {"type": "array", "items": {"type": "string"}},
    "started": {"type": "integer"}, "sent": {"type": "integer"}, "leaving": {"type": "boolean"},
    "numbers": {"type": "object", "additionalProperties": {"type": "integer"}},
    "directives": {"type": "array", "items": {"$ref": "#/components/schemas/AgentStatus"}},
    "age": {"type": "integer", "description": "Since its last status was seen here."},
    "lost": {"type": "boolean", "description": "Nothing was heard of it for 12 s, or it has left."},
    "clockSkew": {"type": "integer", "description": "What its clock is ahead of ours."},
    "namesakes": {"type": "array", "items": {"type": "string"}, "description": "Instances of other agents that are alive under its name."}}
})"},
        {"NodeList", R"({
  "type": "object", "required": ["kind", "metadata", "items"],
  "properties": {
    "kind": {"const": "NodeList"}, "metadata": {"$ref": "#/components/schemas/ListMetadata"},
    "items": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}}
})"},
        {"QueryMetadata", R"({
  "type": "object",
  "properties": {
    "examined": {"type": "integer", "description": "Records looked at or ruled out."}, "total": {"type": "integer"},
    "matched": {"type": "integer"}, "damaged": {"type": "integer", "description": "Records that could not be read."},
    "rows": {"type": "integer"}, "continue": {"type": "string", "description": "There may be more records: the parameter of the next request."},
    "approximate": {"type": "boolean", "description": "Percentiles come from histograms, within 0.4 %."},
    "leftOut": {"type": "integer", "description": "Records in groups beyond the bound of memory."}, "more": {"type": "boolean"}}
})"},
        {"RecordList", R"({
  "type": "object", "required": ["kind", "items", "metadata"],
  "properties": {
    "kind": {"const": "RecordList"}, "items": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}},
    "metadata": {"$ref": "#/components/schemas/QueryMetadata"}}
})"},
        {"Table", R"({
  "type": "object", "required": ["kind", "columns", "items", "metadata"],
  "properties": {
    "kind": {"const": "Table"}, "columns": {"type": "array", "items": {"type": "string"}},
    "items": {"type": "array", "items": {"type": "object"}}, "metadata": {"$ref": "#/components/schemas/QueryMetadata"}}
})"},
        {"AuditList", R"({
  "type": "object", "required": ["kind", "items"],
  "properties": {
    "kind": {"const": "AuditList"},
    "items": {"type": "array", "items": {
      "type": "object", "required": ["time", "who", "role", "from", "action", "object", "outcome"],
      "properties": {
        "time": {"type": "string", "format": "date-time"}, "who": {"type": "string"}, "role": {"type": "string"},
        "from": {"type": "string", "description": "An address, unix:UID, or bus."}, "action": {"type": "string"},
        "object": {"type": "string"}, "generation": {"type": "integer"}, "outcome": {"type": "string"}, "reason": {"type": "string"}}}}}
})"},
        {"Record", R"({"$ref": "record.schema.json"})"},
    };
    return all;
}

std::span<const Named> answer_examples() {
    static constexpr Named all[] = {
        {"directive", R"({
  "apiVersion": "cvf/v1", "kind": "Metadata", "metadata": {"name": "shop-errors", "labels": {"team": "shop"}},
  "spec": {"types": ["http"], "filter": "http.response.status_code >= 500"}
})"},
        {"directives", R"({
  "kind": "DirectiveList", "metadata": {"version": "17"},
  "items": [{
    "apiVersion": "cvf/v1", "kind": "Metadata", "metadata": {"name": "shop-errors", "labels": {"team": "shop"}, "generation": 1},
    "spec": {"types": ["http"], "filter": "http.response.status_code >= 500"},
    "status": {"revision": 17, "summary": "2 active of 2 agents", "settled": true, "good": true, "agents": 2, "behind": 0,
      "states": {"active": 2}, "reasons": {}, "matched": 31, "sent": 31, "bytes": 18041, "lost": 0, "nodes": []}}]
})"},
        {"applied", R"({
  "kind": "ApplyResult", "dryRun": false,
  "items": [{"kind": "Metadata", "name": "shop-errors", "change": "created", "generation": 1, "revision": 17}]
})"},
        {"nodes", R"({
  "kind": "NodeList", "metadata": {"version": "90"},
  "items": [{"name": "node-1", "version": "0.1.0", "labels": {"zone": "a"}, "lost": false, "age": 1200000000, "clockSkew": 350000}]
})"},
        {"table", R"({
  "kind": "Table", "columns": ["http.request.method", "count"],
  "items": [{"http.request.method": "GET", "count": 4120}, {"http.request.method": "POST", "count": 311}],
  "metadata": {"examined": 90112, "total": 90112, "matched": 4431, "damaged": 0, "rows": 2, "approximate": false, "leftOut": 0, "more": false}
})"},
        {"audit", R"({
  "kind": "AuditList",
  "items": [{"time": "2026-11-24T09:01:13.621000000Z", "who": "ci", "role": "operator", "from": "10.9.0.2", "action": "apply",
    "object": "Metadata/shop-errors", "generation": 1, "outcome": "created"}]
})"},
        {"record-events",
         R"("data: {\"@timestamp\":\"2026-11-24T09:01:13.621000000Z\",\"record.type\":\"http\",\"record.id\":\"1f\",\"http.request.method\":\"GET\"}\n\n")"},
    };
    return all;
}

std::span<const Named> answer_headers() {
    static constexpr Named all[] = {
        {"ETag", R"({"schema": {"type": "string"}, "description": "RFC 9110 8.8.3; for If-Match and If-None-Match."})"},
        {"Vary", R"({"schema": {"type": "string"}})"},
        {"Cvf-Change", R"({"schema": {"type": "string", "enum": ["created", "configured", "unchanged"]}})"},
    };
    return all;
}

std::span<const Named> request_headers() {
    static constexpr Named all[] = {
        {"If-Match",
         R"({"schema": {"type": "string"}, "description": "Only if the directive there has this ETag; `*`: only if there is one."})"},
        {"If-None-Match",
         R"({"schema": {"type": "string"}, "description": "GET: 304 when this is still the ETag. PUT: `*`, only if there is none."})"},
    };
    return all;
}

}  // namespace cvf::api
