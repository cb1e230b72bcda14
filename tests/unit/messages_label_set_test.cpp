#include "messages/label_set.hpp"
#include "messages/stream.hpp"
#include "tests/unit/messages_samples.hpp"

namespace sluice {

TEST(label_set, is_sorted_by_key) {
  label_set labels;
  for (auto key : {"service", "Zone", "host", "a.b-c_9"})
    ASSERT_TRUE(labels.set(key, "x"));
  std::vector<std::string> keys;
  for (const auto& [key, value] : labels)
    keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"Zone", "a.b-c_9", "host", "service"}));
}

TEST(label_set, replaces_a_value) {
  label_set labels;
  ASSERT_TRUE(labels.set("host", "old"));
  ASSERT_TRUE(labels.set("host", "new"));
  EXPECT_EQ(labels.size(), 1u);
  ASSERT_NE(labels.find("host"), nullptr);
  EXPECT_EQ(*labels.find("host"), "new");
  EXPECT_EQ(labels.find("hos"), nullptr);
}

TEST(label_set, refuses_bad_keys) {
  label_set labels;
  for (auto key : {"", "a b", "a=b", "k\xc3\xa9y", "a\n"})
    EXPECT_EQ(code_of(labels.set(key, "x")), errc::invalid_argument) << key;
  EXPECT_EQ(code_of(labels.set(std::string(label_set::max_key_bytes + 1, 'k'), "x")), errc::invalid_argument);
  EXPECT_TRUE(labels.set(std::string(label_set::max_key_bytes, 'k'), "x"));
  EXPECT_EQ(labels.size(), 1u);
}

TEST(label_set, refuses_bad_values) {
  label_set labels;
  EXPECT_EQ(code_of(labels.set("k", "\xff")), errc::invalid_argument);
  EXPECT_EQ(code_of(labels.set("k", std::string(label_set::max_value_bytes + 1, 'v'))), errc::invalid_argument);
  EXPECT_TRUE(labels.empty());
  EXPECT_TRUE(labels.set("k", std::string(label_set::max_value_bytes, 'v')));
  EXPECT_TRUE(labels.set("k", ""));
}

TEST(label_set, is_bounded_in_count) {
  label_set labels;
  for (std::size_t i = 0; i < label_set::max_labels; ++i)
    ASSERT_TRUE(labels.set("k" + std::to_string(i), ""));
  EXPECT_EQ(code_of(labels.set("one-more", "")), errc::invalid_argument);
  EXPECT_TRUE(labels.set("k0", "still replaced"));
}

TEST(label_set, fits_a_frame_header_whatever_it_holds) {
  label_set labels;
  std::size_t i = 0;
  while (labels.set("k" + std::to_string(i), std::string(1000, 'v')))
    ++i;
  EXPECT_LT(i, label_set::max_labels);
  auto room = label_set::max_encoded_bytes - labels.encoded_bytes();
  EXPECT_TRUE(labels.set("z", std::string(room - 4, 'v')));
  EXPECT_EQ(labels.encoded_bytes(), label_set::max_encoded_bytes);
  EXPECT_EQ(code_of(labels.set("zz", "")), errc::invalid_argument);
  auto header = sample_header();
  header.labels = labels;
  EXPECT_EQ(make_frame(header, "x").header().header_bytes, frame_limits::max_header_bytes);
}

TEST(label_set, prints_readably) {
  label_set labels;
  EXPECT_EQ(to_string(labels), "{}");
  ASSERT_TRUE(labels.set("source", "a\"b\n"));
  ASSERT_TRUE(labels.set("host", "web-1"));
  EXPECT_EQ(to_string(labels), R"({host="web-1", source="a\"b\n"})");
}

TEST(is_utf8, accepts_well_formed_text) {
  for (auto text : {"", "ascii", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
         "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "gr\xc3\xbc\xc3\x9f"})
    EXPECT_TRUE(is_utf8(text)) << testing::PrintToString(text);
  EXPECT_TRUE(is_utf8(std::string_view{"\0", 1}));
}

TEST(is_utf8, refuses_everything_else) {
  for (auto text : {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe2\x82", "\xed\xa0\x80",
         "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "ok\xe2\x28\xa1"})
    EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
}

TEST(stream, prints_ids_as_uuids) {
  EXPECT_EQ(to_string(sample_id(0)), "00010203-0405-0607-0809-0a0b0c0d0e0f");
  EXPECT_EQ(to_string(stream_id{sample_id(0xf0), sample_id(0)}),
    "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff/00010203-0405-0607-0809-0a0b0c0d0e0f");
}

} // namespace sluice
