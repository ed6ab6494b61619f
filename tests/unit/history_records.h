// Records for the tests of the history: many kinds and values, some fields missing, the same ones every time.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "record/json.h"
#include "record/record.h"

namespace cvf::history {

class Made {
 public:
    static constexpr int64_t start = 1'780'000'000'000'000'000;

    // Mostly rising, with steps back and repeated times.
    static int64_t time(int i) {
        return start + int64_t{i} * 7'000'000 - (i % 5 == 2 ? 20'000'000 : 0) - (i % 11 == 3 ? 7'000'000 : 0);
    }

    const record::Record& record(int i) {
        using record::Field;
        const auto n = static_cast<uint32_t>(i) * 2654435761u >> 8;
        record_.begin(types[i % 4], time(i));
        record_.copy(Field::record_id, "r" + std::to_string(i));
        record_.copy(Field::flow_id, "f" + std::to_string(i / 3));
        const uint8_t v4[] = {10, 0, static_cast<uint8_t>(n % 3), static_cast<uint8_t>(n % 7)};
        const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(n % 5)};
        record_.ip(Field::source_address, v4);
        if (n % 4 == 0)
            record_.ip(Field::destination_address, v6);
        else
            record_.ip(Field::destination_address, v4);
        if (n % 6) record_.uint(Field::source_port, 1024 + n % 50);
        record_.uint(Field::destination_port, n % 2 ? 443 : 53);
        if (n % 5) record_.copy(Field::source_pod_name, "pod-" + std::to_string(n % 9));
        if (n % 13 == 0) record_.text(Field::source_process_name, "na\xefve \"q\"\n\xff");
        if (n % 3) record_.uint(Field::event_duration, uint64_t{n} * 1000 % 900'000'007);
        if (i % 4 == 0) record_.uint(Field::network_bytes, n % 100'000);
        if (i % 4 == 1) {
            record_.text(Field::dns_question_name, n % 2 ? "a.example.org" : "b.svc.cluster.local");
            const std::string_view answers[] = {"10.0.0.1", "x.example"};
            record_.texts(Field::dns_answers, answers);
            record_.flag(Field::cvf_truncated, n % 2 == 0);
        }
        if (i % 4 == 2) {
            record_.uint(Field::http_response_status_code, n % 10 == 0 ? 503 : 200);
            record_.copy(Field::user_agent_original, n % 3 ? "curl/8" : "Mozilla/5.0 (X'; \\ %)");
            record_.uint(Field::http_sequence, 1 + n % 4);
            const std::pair<std::string_view, std::string_view> labels[] = {{"app", n % 2 ? "cart" : "shop"}, {"a.b/c", "1"}};
            if (n % 7) record_.map(Field::source_container_label, labels);
        }
        if (i % 4 == 3) record_.sint(Field::cvf_clock_step, static_cast<int64_t>(n % 1000) - 500);
        return record_;
    }
    // Of the last record, with its line end.
    std::string_view line() {
        buffer_.clear();
        record::write_json(record_, nullptr, buffer_);
        return buffer_.view();
    }
    std::string lines(int from, int to) {
        std::string all;
        for (int i = from; i < to; ++i) {
            record(i);
            all += line();
        }
        return all;
    }

 private:
    static constexpr record::RecordType types[] = {record::RecordType::flow, record::RecordType::dns, record::RecordType::http,
                                                   record::RecordType::event};
    record::Record record_;
    record::Buffer buffer_;
};

}  // namespace cvf::history
