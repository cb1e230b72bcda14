#include <map>
#include <random>

#include <gmock/gmock.h>

#include "tests/unit/transform_support.hpp"

namespace sluice {

namespace {

using namespace testing;

batch_transform make(std::vector<record_transform> rules) {
  return batch_transform{rules, std::make_shared<buffer_pool>()};
}

const drop_transform debug_goes{pattern("^DEBUG"), ""};

std::vector<std::string> bodies(const batch& x) {
  std::vector<std::string> made;
  for (auto& record : records_of(x))
    made.push_back(record.body);
  return made;
}

/// Everything that a source may bring, cut into batches anywhere.
class random_stream {
public:
  explicit random_stream(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  std::string body() {
    switch (below(6)) {
    case 0:
      return "{\"level\":\"info\",\"n\":" + std::to_string(below(100)) + "}";
    case 1:
      return "level=warn user=u" + std::to_string(below(10)) + " msg=\"a b\"";
    case 2:
      return "";
    case 3:
      return "DEBUG " + std::string(below(50), 'x');
    default:
      return "plain \xff text " + std::to_string(below(1'000'000));
    }
  }

  std::vector<whole_record> records() {
    std::vector<whole_record> made(1 + below(40));
    for (auto& x : made) {
      x.body = body();
      x.time = timestamp{std::chrono::nanoseconds{static_cast<std::int64_t>(below(1'000'000'000'000))}};
      if (below(2) == 0)
        x.level = severity{static_cast<std::uint8_t>(below(8))};
      for (auto count = below(3); count > 0; --count)
        x.attributes.emplace_back("k" + std::to_string(below(5)), body());
    }
    made.back().terminated = below(4) > 0;
    return made;
  }

private:
  std::mt19937_64 random_;
};

} // namespace

TEST(batch_transform, a_batch_in_which_nothing_changes_goes_on_as_it_came) {
  auto rules = make({debug_goes, parse_json_transform{}, redact_transform{pattern("secret"), "*", ""}});
  auto x = make_lines("one\ntwo\nlast");
  auto outcome = rules.apply(x).value();
  EXPECT_EQ(outcome.made.payload, x.payload);
  EXPECT_EQ(outcome.made.header, x.header);
}

TEST(batch_transform, what_changes_is_encoded_with_what_stands_around_it) {
  auto rules = make({parse_key_value_transform{}, debug_goes});
  auto x = make_lines("one\na=1\nDEBUG\nlast", 100);
  auto outcome = rules.apply(x).value();
  EXPECT_EQ(outcome.filtered, 1);
  EXPECT_THAT(records_of(outcome.made),
    ElementsAre(whole_record{"one"}, whole_record{"a=1", true, {}, {}, {{"a", "1"}}}, whole_record{"last", false}));
  EXPECT_EQ(outcome.made.header.record_count, 3);
  EXPECT_EQ(outcome.made.header.position_begin, 100);
  EXPECT_EQ(outcome.made.header.position_end, 118);
  EXPECT_EQ(outcome.made.header.decoded_bytes, outcome.made.payload->size());
}

TEST(batch_transform, times_that_were_set_are_those_of_the_batch) {
  auto rules = make({parse_key_value_transform{}, set_timestamp_transform{"t"}});
  auto outcome = rules.apply(make_lines("t=1700000003\nt=1700000001\nt=1700000002\n")).value();
  EXPECT_EQ(outcome.made.header.first_timestamp.time_since_epoch(), std::chrono::seconds{1700000001});
  EXPECT_EQ(outcome.made.header.last_timestamp.time_since_epoch(), std::chrono::seconds{1700000003});
}

TEST(batch_transform, a_gap_stands_where_nothing_is_left) {
  auto x = make_lines("DEBUG 1\nDEBUG 2\n", 7);
  auto outcome = make({debug_goes}).apply(x).value();
  EXPECT_EQ(outcome.filtered, 2);
  auto header = x.header;
  header.kind = frame_kind::gap;
  header.decoded_bytes = 8;
  EXPECT_EQ(outcome.made.header, header);
  EXPECT_EQ(outcome.made.payload->text(), "filtered");
  EXPECT_TRUE(frame::encode(outcome.made.header, outcome.made.payload->view()));

  auto sampled = make({sample_transform{1'000'000'000}}).apply(x).value();
  EXPECT_EQ(sampled.sampled, 2);
  EXPECT_EQ(sampled.made.payload->text(), "sampled");
}

TEST(batch_transform, what_goes_on_with_a_part_of_a_line_is_a_part) {
  auto rules = make({debug_goes});
  auto goes = [&rules](const batch& x) { return rules.apply(x).value().filtered; };
  EXPECT_EQ(goes(make_lines("DEBUG part", 0)), 0);
  EXPECT_EQ(goes(make_lines("DEBUG end\nDEBUG\n", 10)), 1);
  EXPECT_EQ(goes(make_lines("DEBUG\nDEBUG part", 26)), 1);
  EXPECT_EQ(goes(make_lines("DEBUG\n", 900)), 1) << "it goes on elsewhere";
  EXPECT_EQ(goes(make_lines("DEBUG part", 0)), 0);
  rules.restart({});
  EXPECT_EQ(goes(make_lines("DEBUG\n", 10)), 1) << "it begins anew";
}

TEST(batch_transform, what_cannot_be_read_is_an_error) {
  auto x = make_lines("one\ntwo\n");
  x.header.record_count = 3;
  EXPECT_EQ(make({debug_goes}).apply(x).error().code, errc::malformed);
}

TEST(batch_transform, records_that_a_batch_has_no_room_for_stay_as_they_were) {
  const std::string body = "k=" + std::string(60'000, 'v') + " " + std::string(500'000, 'x');
  const std::vector<whole_record> came(56, whole_record{body});
  auto rules = make({parse_key_value_transform{}, parse_key_value_transform{.field = {}, .prefix = "a.", .form = {}},
    redact_transform{pattern("x"), "yyy", ""}});
  auto made = records_of(rules.apply(make_batch(came)).value().made);
  ASSERT_EQ(made.size(), came.size());
  std::map<std::string, std::uint64_t> failures;
  rules.take_failures([&](std::string_view reason, std::uint64_t times) { failures[std::string{reason}] += times; });
  std::uint64_t emptied = 0;
  for (auto& x : made) {
    EXPECT_THAT(x.body, Not(HasSubstr("x"))) << "what is to be redacted is never left";
    emptied += x.body.empty();
  }
  EXPECT_FALSE(made.front().body.empty());
  EXPECT_GT(emptied, 0);
  EXPECT_THAT(failures, ElementsAre(Pair("too_large", Ge(emptied))));
}

TEST(batch_transform, a_sample_does_not_depend_on_batches) {
  std::string text;
  for (int i = 0; i < 500; ++i)
    text += "line " + std::to_string(i) + "\n";
  auto rules = make({sample_transform{5}});
  auto whole = bodies(rules.apply(make_lines(text)).value().made);
  EXPECT_GT(whole.size(), 50);
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size();) {
    auto end = text.find('\n', std::min(at + 97, text.size() - 1)) + 1;
    for (auto& body : bodies(rules.apply(make_lines(text.substr(at, end - at), at)).value().made))
      pieces.push_back(body);
    at = end;
  }
  EXPECT_EQ(pieces, whole);
}

TEST(batch_transform, keeps_everything_that_it_is_not_told_to_drop) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    random_stream stream{seed};
    auto nothing = make({redact_transform{pattern("never there"), "*", ""}, drop_transform{pattern("never"), ""},
      sample_transform{1}, set_severity_transform{"none"}});
    auto noting = make({parse_json_transform{.field = {}, .prefix = "j."},
      parse_key_value_transform{.field = {}, .prefix = "p.", .form = {}}});
    auto dropping = make({sample_transform{2}, debug_goes, redact_transform{pattern("plain"), "***", ""}});
    std::uint64_t position = 0;
    for (int i = 0; i < 20; ++i) {
      auto came = stream.records();
      auto x = make_batch(came, position);
      EXPECT_EQ(nothing.apply(x).value().made.payload, x.payload) << "seed " << seed;
      auto noted = records_of(noting.apply(x).value().made);
      ASSERT_EQ(noted.size(), came.size()) << "seed " << seed;
      for (std::size_t n = 0; n < came.size(); ++n) {
        auto& added = noted[n].attributes;
        ASSERT_GE(added.size(), came[n].attributes.size()) << "seed " << seed;
        added.resize(came[n].attributes.size());
        EXPECT_EQ(noted[n], came[n]) << "seed " << seed;
      }
      auto outcome = dropping.apply(x).value();
      EXPECT_EQ(records_of(outcome.made).size() + outcome.filtered + outcome.sampled, came.size()) << "seed " << seed;
      EXPECT_EQ(outcome.made.header.position_end, x.header.position_end) << "seed " << seed;
      for (auto& body : bodies(outcome.made))
        EXPECT_THAT(body, Not(HasSubstr("plain"))) << "seed " << seed;
      position = x.header.position_end;
    }
  }
}

} // namespace sluice
