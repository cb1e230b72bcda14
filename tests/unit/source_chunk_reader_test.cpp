#include <random>

#include <gtest/gtest.h>

#include "actors/source/chunk_reader.hpp"
#include "actors/source/pipe_reader.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

constexpr chunk_limits limits{.max_bytes = 10, .max_events = 3, .max_record_bytes = 16};

/// Bytes and records.
using piece = std::pair<std::size_t, std::uint32_t>;

piece take(const line_cutter& cutter, std::string_view text, bool last) {
  auto made = cutter.take(text, last);
  return {made.bytes, made.records};
}

piece cut(std::string_view text, bool last = false) {
  line_cutter cutter{limits};
  cutter.scan(text);
  return take(cutter, text, last);
}

bool is_enough(std::string_view text) {
  return line_cutter{limits}.scan(text);
}

class source_files : public testing::Test {
protected:
  void put(const std::string& path, std::string content) { files_.set_content(path, std::move(content)); }
  std::shared_ptr<file> open(const std::string& path) { return files_.open(path, open_mode::read).value(); }

  /// All chunks of a file, and whether the last was known to be the last.
  std::vector<std::string> chunks_of(const std::string& content, const chunk_limits& within = limits) {
    put("/log", content);
    auto opened = open("/log");
    std::vector<std::string> made;
    for (std::uint64_t at = 0;;) {
      auto next = read_chunk(*opened, at, within, {}).value();
      if (next.records == 0)
        break;
      EXPECT_EQ(next.records, count_lines(next.lines.text()));
      made.emplace_back(next.lines.text());
      at += made.back().size();
      EXPECT_EQ(next.at_end, next.at_end && at == content.size());
    }
    return made;
  }

  sim_file_system files_{1};
};

} // namespace

TEST(source_line_cutter, knows_when_there_is_enough) {
  EXPECT_FALSE(is_enough("abc\n"));
  EXPECT_TRUE(is_enough("\n\n\n"));
  EXPECT_TRUE(is_enough("123456789\n"));
  EXPECT_FALSE(is_enough("1234567890")) << "the line may still end";
  EXPECT_TRUE(is_enough("1234567890123456")) << "no line may be longer";
}

TEST(source_line_cutter, counts_what_is_appended_once) {
  line_cutter cutter{limits};
  std::string text = "a\n";
  EXPECT_FALSE(cutter.scan(text));
  text += "b\n";
  EXPECT_FALSE(cutter.scan(text));
  text += "c\nd";
  EXPECT_TRUE(cutter.scan(text));
  EXPECT_EQ(take(cutter, text, false), (piece{6, 3}));
}

TEST(source_line_cutter, takes_whole_lines_within_the_limits) {
  EXPECT_EQ(cut("a\nb\nc\nd\n"), (piece{6, 3})) << "events";
  EXPECT_EQ(cut("1234\n6789\nab\n"), (piece{10, 2})) << "bytes";
  EXPECT_EQ(cut("ab\nopen"), (piece{3, 1})) << "whole lines only";
  EXPECT_EQ(cut("123456789abc\nx\n"), (piece{13, 1})) << "a first line beyond max_bytes alone";
  EXPECT_EQ(cut("open"), (piece{0, 0}));
}

TEST(source_line_cutter, cuts_a_line_that_is_too_long) {
  EXPECT_EQ(cut("123456789012345678"), (piece{16, 1}));
  EXPECT_EQ(cut("123456789012345678\n"), (piece{16, 1}));
}

TEST(source_line_cutter, cuts_no_line_because_many_are_longer_together_than_one_may_be) {
  line_cutter cutter{{.max_bytes = 12, .max_events = 8, .max_record_bytes = 6}};
  std::string_view text = "1234\n6789\nabcd\n";
  EXPECT_TRUE(cutter.scan(text));
  EXPECT_EQ(take(cutter, text, false), (piece{10, 2}));
}

TEST(source_line_cutter, takes_the_unterminated_end) {
  EXPECT_EQ(cut("a\nopen", true), (piece{6, 2}));
  EXPECT_EQ(cut("open", true), (piece{4, 1}));
  EXPECT_EQ(cut("", true), (piece{0, 0}));
  EXPECT_EQ(cut("a\nb\nc\nopen", true), (piece{6, 3})) << "limits hold at the end too";
}

TEST_F(source_files, read_chunk_gives_back_any_file) {
  using texts = std::vector<std::string>;
  EXPECT_EQ(chunks_of(""), texts{});
  EXPECT_EQ(chunks_of("a\nb\n"), (texts{"a\nb\n"}));
  EXPECT_EQ(chunks_of("\n\n\n\nx"), (texts{"\n\n\n", "\nx"}));
  EXPECT_EQ(chunks_of(std::string(40, 'x')), (texts{std::string(16, 'x'), std::string(16, 'x'), std::string(8, 'x')}));
  std::mt19937 random{7};
  for (auto run = 0; run < 300; ++run) {
    std::string content(random() % 400, ' ');
    for (auto& byte : content)
      byte = random() % (1 + run % 20) == 0 ? '\n' : static_cast<char>(random());
    std::string joined;
    for (auto& text : chunks_of(content)) {
      EXPECT_LE(text.size(), limits.max_record_bytes);
      EXPECT_LE(count_lines(text), limits.max_events);
      joined += text;
    }
    ASSERT_EQ(joined, content) << "run " << run;
  }
}

TEST_F(source_files, read_chunk_reads_a_line_longer_than_it_reads_at_once) {
  auto line = std::string(300'000, 'x') + "\n";
  EXPECT_EQ(chunks_of("a\n" + line + "b\n", {}), (std::vector{"a\n" + line + "b\n"}));
}

TEST_F(source_files, read_chunk_leaves_what_may_be_completed_yet) {
  put("/log", "a\nb\nope");
  auto made = read_chunk(*open("/log"), 0, limits, {}, last_line::leave).value();
  EXPECT_EQ(made.lines.text(), "a\nb\n");
  EXPECT_TRUE(made.at_end);
  EXPECT_EQ(made.unfinished_bytes, 3u);
  put("/log", "a\nb\nopen\nc\nd\n");
  made = read_chunk(*open("/log"), 4, limits, {}, last_line::leave).value();
  EXPECT_EQ(made.lines.text(), "open\nc\nd\n");
  EXPECT_EQ(made.unfinished_bytes, 0u);
  put("/log", std::string(20, 'x'));
  made = read_chunk(*open("/log"), 0, limits, {}, last_line::leave).value();
  EXPECT_EQ(made.lines.text().size(), 16u) << "a line that is too long is cut";
}

TEST_F(source_files, read_chunk_passes_on_errors) {
  put("/log", "a\n");
  auto opened = open("/log");
  files_.crash();
  EXPECT_EQ(read_chunk(*opened, 0, limits, {}).error().code, errc::io_error);
}

TEST_F(source_files, pipe_reader_keeps_the_beginning_of_a_line) {
  put("/pipe", "a\nb\nc\nd\nthe end");
  pipe_reader reader{"/pipe", {}, open("/pipe")};
  std::string joined;
  for (auto more = true; more;) {
    auto next = reader.read(joined.size(), 0, limits, {}).value();
    EXPECT_LE(next.records, limits.max_events);
    joined += next.lines.text();
    more = !next.at_end;
  }
  EXPECT_EQ(joined, "a\nb\nc\nd\nthe end");
}

TEST_F(source_files, pipe_reader_gives_the_rest_without_reading_on) {
  put("/pipe", "a\nb\nc\nd\nthe end");
  pipe_reader reader{"/pipe", {}, open("/pipe")};
  EXPECT_EQ(reader.kept().end, 0);
  auto joined = std::string{reader.read(0, 0, limits, {}).value().lines.text()};
  EXPECT_GT(reader.kept().end, 0);
  for (auto more = true; more;) {
    auto rest = reader.rest(joined.size(), limits, {}).value();
    EXPECT_LE(rest.records, limits.max_events);
    joined += rest.lines.text();
    more = rest.records > 0;
  }
  EXPECT_EQ(joined, "a\nb\nc\nd\nthe end");
}

// What the source had read of a pipe when it failed was lost with it.
TEST_F(source_files, pipe_reader_reads_again_what_is_not_acknowledged) {
  std::mt19937 random{7};
  std::string content;
  for (auto i = 0; content.size() < 10'000; ++i)
    content += std::to_string(i) + std::string(random() % 12, '.') + '\n';
  put("/pipe", content);
  pipe_reader reader{"/pipe", {}, open("/pipe")};
  std::uint64_t at = 0, acked = 0;
  for (auto at_end = false; !at_end;) {
    if (random() % 4 == 0)
      acked += random() % (at - acked + 1);
    if (random() % 4 == 0)
      at = acked + random() % (at - acked + 1);
    auto next = reader.read(at, acked, limits, {}).value();
    ASSERT_EQ(next.lines.text(), content.substr(at, next.lines.text_bytes()));
    at += next.lines.text_bytes();
    at_end = next.at_end;
  }
  EXPECT_EQ(at, content.size());
  ASSERT_GT(acked, 0);
  EXPECT_TRUE(reader.check(acked));
  auto early = reader.read(acked - 1, 0, limits, {});
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, errc::not_rereadable);
  EXPECT_FALSE(reader.check(content.size() + 1));
}

} // namespace sluice::test
