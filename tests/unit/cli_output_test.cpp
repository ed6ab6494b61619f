// What becomes of records on their way out: tables and their limit, and what counts as written.
#include "cli/output.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace cvf::cli {
namespace {

using record::Field;
using record::RecordType;

struct Written {
    std::string text;
    uint64_t records = 0;
};

struct Kept final : sink::Sink {
    explicit Kept(Written& written) : written_(written) {}
    void write(std::string_view lines, size_t records) override {
        written_.text += lines;
        written_.records += records;
    }
    void flush() override {}
    sink::SinkStats stats() const override {
        sink::SinkStats stats;
        stats.records_written = written_.records;
        stats.bytes_written = written_.text.size();
        return stats;
    }
    bool closed() const override { return false; }
    void interrupt() override {}
    Written& written_;
};

struct TableOutput : testing::Test {
    Written written;
    record::Record record;

    pipeline::Outlet outlet(size_t rows_per_second) {
        return {pipeline::Selection{}, std::make_unique<Kept>(written), table_encoder(false, rows_per_second)};
    }
    void emit(pipeline::Outlet& out, int records) {
        for (int i = 0; i < records; i++) {
            record.begin(RecordType::dns, 1'700'000'000'000'000'000 + i);
            out.emit(record);
        }
    }
    size_t lines() const { return static_cast<size_t>(std::ranges::count(written.text, '\n')); }
};

TEST_F(TableOutput, without_a_limit_has_every_row) {
    auto out = outlet(SIZE_MAX);
    emit(out, 5000);
    out.finish();
    EXPECT_EQ(lines(), 5001u) << "and a head";
    EXPECT_EQ(written.records, 5000u);
}

TEST_F(TableOutput, says_what_it_left_out_when_the_second_is_over_and_does_not_count_it_as_written) {
    auto out = outlet(3);
    emit(out, 10);
    out.flush();
    EXPECT_EQ(lines(), 4u);
    EXPECT_EQ(written.text.find("more records"), std::string::npos);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    out.flush();  // no record has come since
    EXPECT_NE(written.text.find("7 more records"), std::string::npos) << written.text;
    EXPECT_EQ(written.records, 3u);
    EXPECT_EQ(out.counts().made, 3u) << "what has no row is no record here";
    EXPECT_EQ(out.counts().waiting, 0u);
    const size_t said = written.text.size();
    out.finish();
    EXPECT_EQ(written.text.size(), said) << "once";
}

TEST_F(TableOutput, says_at_its_end_what_it_left_out) {
    auto out = outlet(3);
    emit(out, 5);
    out.finish();
    EXPECT_NE(written.text.find("2 more records"), std::string::npos) << written.text;
}

TEST_F(TableOutput, does_not_count_flows_that_have_no_row_as_written) {
    auto out = outlet(SIZE_MAX);
    record.begin(RecordType::flow, 1'700'000'000'000'000'000);
    record.text(Field::network_protocol_name, "http");
    out.emit(record);
    out.finish();
    EXPECT_EQ(written.records, 0u);
    EXPECT_EQ(written.text, "");
}

config::Settings filtered(std::string filter, std::string origin) {
    config::Settings settings;
    settings.format = config::Format::json;
    settings.filter = std::move(filter);
    settings.origins["filter"] = std::move(origin);
    return settings;
}

TEST(Expression, has_the_last_word_over_a_filter_of_the_file_or_the_environment) {
    for (const char* origin : {"/etc/cvf/cvf.yaml:3", "CVF_FILTER"}) {
        const auto asked = with_expression(filtered("source.port == 1", origin), "source.port == 2");
        ASSERT_TRUE(asked) << origin;
        EXPECT_EQ(asked->filter, "source.port == 2");
        EXPECT_EQ(with_expression(filtered("source.port == 1", origin), "")->filter, "source.port == 1");
    }
    EXPECT_FALSE(with_expression(filtered("source.port == 1", "--filter"), "source.port == 2")) << "which of the two?";
}

TEST(Selection, says_where_a_wrong_filter_stands) {
    const auto wrong = [](const config::Settings& settings) { return make_selection(settings).error(); };
    EXPECT_EQ(wrong(filtered("x", "/etc/cvf/cvf.yaml:3")), "/etc/cvf/cvf.yaml:3: column 1: there is no field 'x'\n  x\n  ^");
    EXPECT_EQ(wrong(filtered("x", "--filter")), "--filter: column 1: there is no field 'x'\n  x\n  ^");
    EXPECT_EQ(wrong(*with_expression(filtered("", ""), "x")), "column 1: there is no field 'x'\n  x\n  ^");
}

}  // namespace
}  // namespace cvf::cli
