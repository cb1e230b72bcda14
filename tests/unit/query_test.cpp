#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/query/query.hpp"
#include "actors/query/query_output.hpp"
#include "actors/storage/store.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {
namespace {

using test::frame_maker;
using test::make_stream;

const std::filesystem::path folder = "/store";
const auto start = test::at_seconds(1'700'000'000);

label_set labels(std::string_view service) {
  label_set result;
  result.set("host", "h1");
  result.set("service", service);
  return result;
}

record_view make_record(std::string_view body, std::optional<severity> level = {}, timestamp time = start) {
  record_view result;
  result.time = time;
  result.level = level;
  result.body = body;
  return result;
}

class query_test : public testing::Test {
protected:
  void SetUp() override { target = store::open(files, folder, options, start).value(); }

  void commit(frame what) { ASSERT_TRUE(target->commit(std::vector{std::move(what)}, start)[0]); }

  std::string run(const query_options& how, query_format format = query_format::raw) {
    std::string output;
    gaps.clear();
    auto writer = make_query_writer(
      format,
      [&](byte_view bytes) {
        output += as_text(bytes);
        return true;
      },
      [this](std::string_view gap) { gaps.emplace_back(gap); });
    auto result =
      run_query(files, folder, how, *writer, [this](const damage& met) { damages.push_back(to_string(met)); });
    EXPECT_TRUE(result) << result.error().message;
    stats = result.value_or(query_stats{});
    EXPECT_TRUE(writer->finish());
    return output;
  }

  frame compressed(const frame& plain) {
    return payload_compressor{{codec::zstd, 1}}.compress(plain.header(), plain.payload()).value();
  }

  test::sim_file_system files{1};
  store_options options;
  std::unique_ptr<store> target;
  frame_maker maker{make_stream(1), labels("web")};
  std::vector<std::string> damages;
  std::vector<std::string> gaps;
  query_stats stats;
};

TEST_F(query_test, raw_output_is_the_source_whatever_its_bytes) {
  std::string source;
  for (int i = 0; i < 50; ++i)
    source += "line " + std::to_string(i) + "\n\n\r\n" + std::string("nul\0nul", 7) + "\r\n\xff\xfe\xc0\x80\n \n";
  source += std::string(1'000'000, 'x') + "\nSLFRSLMKSLSG\nlast without newline";
  for (std::size_t at = 0, step = 1; at < source.size(); at += step, step = step * 7 % 100'003 + 1)
    commit(compressed(maker.lines(std::string_view{source}.substr(at, step))));
  EXPECT_EQ(run({}), source);
  EXPECT_GT(stats.frames, 10u);
}

TEST_F(query_test, raw_output_through_the_record_path_is_the_same) {
  std::string source = "a\n\nlong" + std::string(1, '\0') + "er\r\n\xff\nopen";
  commit(maker.lines(source));
  commit(maker.lines(" end\nlast"));
  query_options every;
  every.match = "(?s).*";
  EXPECT_EQ(run(every), source + " end\nlast");
}

TEST_F(query_test, streams_do_not_run_into_each_other) {
  frame_maker other{make_stream(2)};
  commit(maker.lines("open"));
  commit(other.lines("x\ny"));
  commit(maker.lines("end\n"));
  EXPECT_EQ(run({}), "open\nx\ny\nend\n");
}

TEST_F(query_test, an_open_end_joins_only_its_continuation) {
  commit(maker.lines("match open"));
  commit(maker.lines(" end\nmatch b\n"));
  query_options how;
  how.contains = "match";
  EXPECT_EQ(run(how), "match open\nmatch b\n");
}

TEST_F(query_test, time_range_skips_frames_unread) {
  for (int i = 0; i < 10; ++i)
    commit(maker.lines(std::to_string(i) + "\n", start + std::chrono::seconds{i}));
  query_options how;
  how.since = start + std::chrono::seconds{3};
  how.until = start + std::chrono::seconds{6};
  EXPECT_EQ(run(how), "3\n4\n5\n");
  EXPECT_EQ(stats.frames, 10u);
  EXPECT_EQ(stats.frames_read, 3u);
  EXPECT_EQ(stats.records, 3u);
}

TEST_F(query_test, time_range_cuts_through_a_frame) {
  record_encoder records;
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(records.append(make_record("r" + std::to_string(i), {}, start + std::chrono::seconds{i})));
  commit(maker.records(records));
  query_options how;
  how.since = start + std::chrono::seconds{1};
  how.until = start + std::chrono::seconds{3};
  EXPECT_EQ(run(how), "r1\nr2\n");
}

TEST_F(query_test, labels_must_all_match) {
  frame_maker other{make_stream(2), labels("db")};
  commit(maker.lines("web\n"));
  commit(other.lines("db\n"));
  query_options how;
  how.labels = {{"host", "h1"}, {"service", "db"}};
  EXPECT_EQ(run(how), "db\n");
  EXPECT_EQ(stats.frames_read, 1u);
  how.labels.emplace_back("zone", "");
  EXPECT_EQ(run(how), "");
}

TEST_F(query_test, severity_takes_what_is_at_least_as_severe) {
  record_encoder records;
  ASSERT_TRUE(records.append(make_record("error", severity::error)));
  ASSERT_TRUE(records.append(make_record("debug", severity::debug)));
  ASSERT_TRUE(records.append(make_record("none")));
  ASSERT_TRUE(records.append(make_record("warning", severity::warning)));
  commit(maker.records(records));
  query_options how;
  how.level = severity::warning;
  EXPECT_EQ(run(how), "error\nwarning\n");
}

TEST_F(query_test, contains_looks_into_bodies_only) {
  record_encoder records;
  for (std::string_view body : {"ab", "cab", "", "b", "aab", "a", "ba\nb"})
    ASSERT_TRUE(records.append(make_record(body)));
  commit(maker.records(records));
  query_options how;
  how.contains = "ab";
  EXPECT_EQ(run(how), "ab\ncab\naab\n");
  how.contains = "a\nb";
  EXPECT_EQ(run(how), "ba\nb\n");
  how.contains = "nowhere";
  EXPECT_EQ(run(how), "");
}

TEST_F(query_test, match_is_an_expression_on_one_body) {
  commit(maker.lines("GET /a 200\nPOST /b 500\nGET /c 503\n"));
  query_options how;
  how.match = R"(^GET .* 5\d\d$)";
  EXPECT_EQ(run(how), "GET /c 503\n");
  how.match = "(";
  auto writer = make_query_writer(query_format::raw, [](byte_view) { return true; });
  auto result = run_query(files, folder, how, *writer, [](auto&) {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::invalid_argument);
}

// The rest of a line whose shipper was killed comes in the next one's epoch.
TEST_F(query_test, raw_joins_a_line_that_is_cut_where_an_epoch_ends) {
  commit(maker.lines("a\ncut in "));
  maker.start_epoch(2, maker.last().position);
  commit(maker.lines("two\nb\n"));
  EXPECT_EQ(run({}), "a\ncut in two\nb\n");
}

TEST_F(query_test, limit_stops_within_a_frame) {
  commit(maker.lines("1\n2\n"));
  commit(maker.lines("3\n4\n"));
  commit(maker.lines("5\n"));
  query_options how;
  for (std::string expected; how.limit < 5;) {
    expected += std::to_string(++how.limit) + "\n";
    EXPECT_EQ(run(how), expected);
  }
}

TEST_F(query_test, stops_when_nobody_takes_the_output) {
  for (int i = 0; i < 10; ++i)
    commit(maker.lines(std::string(300'000, 'x') + "\n"));
  auto writer = make_query_writer(query_format::raw, [](byte_view) { return false; });
  auto result = run_query(files, folder, {}, *writer, [](auto&) {});
  EXPECT_EQ(result->frames_read, 1u);
}

TEST_F(query_test, count) {
  commit(maker.lines("1\n2\n3"));
  EXPECT_EQ(run({}, query_format::count), "3\n");
  query_options how;
  how.contains = "2";
  EXPECT_EQ(run(how, query_format::count), "1\n");
}

TEST_F(query_test, json) {
  record_encoder records;
  auto record = make_record("a\"\\\n\x01\xC3\xA4", severity::error, start + std::chrono::nanoseconds{5});
  record.attributes = {{"k", "v"}, {"\xff", ""}};
  ASSERT_TRUE(records.append(record));
  commit(maker.records(records));
  commit(maker.lines("\xE2\x82z\xff"));
  auto stream = to_string(make_stream(1));
  EXPECT_EQ(run({}, query_format::json),
    R"({"timestamp":"2023-11-14T22:13:20.000000005Z","severity":")" + std::string{to_string(severity::error)} +
      R"(","body":"a\"\\\n\u0001ä","labels":{"host":"h1","service":"web"},"attributes":{"k":"v","�":""},"stream":")" +
      stream + "\",\"sequence\":1,\"index\":0}\n" +
      R"({"timestamp":"2023-11-14T22:13:20.000000000Z","severity":null,"body":"�z�","body_base64":"4oJ6/w==",)" +
      R"("labels":{"host":"h1","service":"web"},"attributes":{},"stream":")" + stream +
      "\",\"sequence\":2,\"index\":0,\"unterminated\":true}\n");
}

TEST_F(query_test, raw_and_count_say_gaps_elsewhere) {
  commit(maker.lines("a\nopen"));
  commit(maker.gap(12, "drop_newest", 100, start, start + std::chrono::seconds{2}));
  commit(maker.lines("b\n"));
  commit(maker.gap(0, "truncated", 7));
  auto stream = ", stream " + to_string(make_stream(1));
  auto expected = std::vector{
    "gap: 12 records dropped (drop_newest) from 2023-11-14T22:13:20.000000000Z to 2023-11-14T22:13:22.000000000Z" +
      stream,
    "gap: 7 bytes dropped (truncated) from 2023-11-14T22:13:20.000000000Z to 2023-11-14T22:13:20.000000000Z" + stream};
  EXPECT_EQ(run({}), "a\nopen\nb\n") << "what follows a gap goes on with nothing";
  EXPECT_EQ(gaps, expected);
  EXPECT_EQ(stats.gaps, 2u);
  EXPECT_EQ(stats.records, 3u);
  EXPECT_EQ(run({}, query_format::count), "3\n");
  EXPECT_EQ(gaps, expected);
}

TEST_F(query_test, json_has_gaps_in_their_place) {
  commit(maker.gap(12, "drop_newest", 100, start, start + std::chrono::seconds{2}));
  commit(maker.gap(0, "truncated", 7));
  auto behind = R"("labels":{"host":"h1","service":"web"},"stream":")" + to_string(make_stream(1)) + R"(","sequence":)";
  EXPECT_EQ(run({}, query_format::json),
    R"({"gap":{"records":12,"reason":"drop_newest","from":"2023-11-14T22:13:20.000000000Z",)"
    R"("to":"2023-11-14T22:13:22.000000000Z","bytes":100},)" +
      behind + "1}\n" +
      R"({"gap":{"records":null,"reason":"truncated","from":"2023-11-14T22:13:20.000000000Z",)"
      R"("to":"2023-11-14T22:13:20.000000000Z","bytes":7},)" +
      behind + "2}\n");
  EXPECT_THAT(gaps, testing::IsEmpty());
}

TEST_F(query_test, gaps_are_told_by_time_and_labels_whatever_the_other_conditions) {
  commit(maker.gap(1, "drop_newest", 0, start, start));
  commit(maker.gap(2, "drop_newest", 0, start + std::chrono::seconds{9}, start + std::chrono::seconds{9}));
  query_options how;
  how.contains = "whatever";
  how.until = start + std::chrono::seconds{5};
  run(how);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_THAT(gaps[0], testing::HasSubstr("gap: 1 record dropped"));
  how.labels = {{"host", "another"}};
  run(how);
  EXPECT_THAT(gaps, testing::IsEmpty());
}

TEST_F(query_test, passes_over_a_corrupt_frame_and_says_where) {
  commit(maker.lines("1\n"));
  commit(maker.lines("2\n"));
  commit(maker.lines("3\n"));
  ASSERT_TRUE(target->close());
  auto where = folder / segment_name(1);
  auto entry = segment_reader::open(files, where)->index().frames[1];
  auto whole = files.content(where);
  for (auto at : {entry.offset + 8, entry.offset + 40, entry.end() - 1}) {
    auto changed = whole;
    changed[at] ^= 1;
    files.set_content(where, changed);
    damages.clear();
    EXPECT_EQ(run({}), "1\n3\n") << at;
    EXPECT_EQ(stats.corrupt, 1u);
    ASSERT_EQ(damages.size(), 1u);
    EXPECT_THAT(damages[0], testing::HasSubstr(where.string() + ":" + std::to_string(entry.offset) + ": "));
  }
}

TEST_F(query_test, a_torn_tail_is_simply_the_end) {
  commit(maker.lines("1\n"));
  commit(maker.lines("2\n"));
  auto where = folder / segment_name(1);
  auto whole = files.content(where);
  auto end = segment_reader::open(files, where)->index().frames[0].end();
  for (auto size = end; size < whole.size(); ++size) {
    files.set_content(where, whole.substr(0, size));
    EXPECT_EQ(run({}), "1\n");
    files.set_content(where, whole.substr(0, size) + std::string(whole.size() - size, '\0'));
    EXPECT_EQ(run({}), "1\n");
  }
  EXPECT_THAT(damages, testing::IsEmpty());
}

TEST_F(query_test, reads_while_a_writer_appends_and_rotates) {
  target.reset();
  options.segment_bytes = 1000;
  target = store::open(files, folder, options, start).value();
  std::string source;
  for (int i = 0; i < 100; ++i) {
    auto line = std::to_string(i) + "\n";
    commit(maker.lines(line));
    source += line;
    EXPECT_EQ(run({}), source);
  }
  EXPECT_GT(list_segments(files, folder)->size(), 5u);
  EXPECT_THAT(damages, testing::IsEmpty());
}

TEST_F(query_test, no_such_store) {
  auto writer = make_query_writer(query_format::raw, [](byte_view) { return true; });
  auto result = run_query(files, "/elsewhere", {}, *writer, [](auto&) {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, errc::not_found);
}

} // namespace
} // namespace sluice
