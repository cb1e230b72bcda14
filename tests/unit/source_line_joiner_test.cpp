#include <gtest/gtest.h>

#include "actors/source/chunk_reader.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

using sizes = std::vector<std::uint32_t>;

constexpr chunk_limits limits{.max_bytes = 32, .max_events = 8, .max_record_bytes = 128};

class source_records : public testing::Test {
protected:
  /// What is read of a file with this content.
  std::vector<std::string> read(
    const std::string& content, last_line last = last_line::take, std::optional<std::uint64_t> complete_at = {}) {
    files_.set_content("/log", content);
    auto opened = files_.open("/log", open_mode::read).value();
    std::vector<std::string> records;
    for (std::uint64_t at = 0;;) {
      auto made = read_records(*opened, at, {limits, last, line_joiner::by_indentation(), complete_at}, {}).value();
      EXPECT_EQ(made.records, made.record_bytes.size());
      auto text = made.lines.text();
      at += text.size();
      for (auto bytes : made.record_bytes) {
        records.emplace_back(text.substr(0, bytes));
        text.remove_prefix(bytes);
      }
      EXPECT_EQ(text, "");
      if (made.at_end || made.records == 0) {
        EXPECT_EQ(at + made.unfinished_bytes, content.size());
        return records;
      }
    }
  }

  using texts = std::vector<std::string>;
  sim_file_system files_{1};
};

} // namespace

TEST(source_line_joiner, joins_by_indentation) {
  auto joiner = line_joiner::by_indentation();
  auto made = joiner->join("a\n b\n\tc\nd\n\ne");
  EXPECT_EQ(made.record_bytes, (sizes{8, 2, 1}));
  EXPECT_EQ(made.last_bytes, 1u);
  made = joiner->join(" the first begins a record in any case\n more\n");
  EXPECT_EQ(made.record_bytes, sizes{});
  EXPECT_EQ(joiner->join("").last_bytes, 0u);
}

TEST(source_line_joiner, joins_by_the_start) {
  auto joiner = line_joiner::by_start("^\\d{4}-").value();
  auto made = joiner->join("2024-a\nError\n at\n2024-b\n");
  EXPECT_EQ(made.record_bytes, sizes{17});
  EXPECT_EQ(made.last_bytes, 7u);
  auto refused = line_joiner::by_start("(");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::invalid_argument);
}

TEST_F(source_records, joins_lines_across_chunks) {
  std::string content;
  texts expected;
  for (auto i = 0; i < 20; ++i) {
    expected.push_back("record " + std::to_string(i) + "\n" + std::string(i, ' ') + " more\n");
    content += expected.back();
  }
  EXPECT_EQ(read(content), expected);
}

TEST_F(source_records, leaves_the_last_record_as_long_as_it_may_go_on) {
  EXPECT_EQ(read("a\n b\nc\n d\n", last_line::leave), texts{"a\n b\n"});
  EXPECT_EQ(read("a\n b\n", last_line::leave), texts{});
  EXPECT_EQ(read("a\n b\n", last_line::leave, 5), texts{"a\n b\n"});
  EXPECT_EQ(read("a\n b\n c\n", last_line::leave, 5), texts{}) << "it has gone on";
  EXPECT_EQ(read("a\n b\n unfin", last_line::leave, 11), texts{"a\n b\n"}) << "a line without end is left";
  EXPECT_EQ(read("a\n b\n unfin"), texts{"a\n b\n unfin"});
}

TEST_F(source_records, reads_a_record_larger_than_a_chunk_and_cuts_one_that_is_too_large) {
  auto large = "large\n" + std::string(100, ' ') + "\n";
  EXPECT_EQ(read("a\n" + large + "b\n"), (texts{"a\n", large, "b\n"}));
  std::string endless = "endless\n";
  for (auto i = 0; i < 100; ++i)
    endless += " line\n";
  std::string joined;
  for (auto& part : read(endless)) {
    EXPECT_LE(part.size(), limits.max_record_bytes);
    joined += part;
  }
  EXPECT_EQ(joined, endless);
}

} // namespace sluice::test
