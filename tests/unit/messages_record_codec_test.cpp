#include "messages/record_codec.hpp"
#include "tests/unit/messages_samples.hpp"

namespace sluice {

namespace {

using attribute = std::pair<std::string_view, std::string_view>;

struct body {
  std::string text;
  bool terminated = true;
  friend bool operator==(const body&, const body&) = default;
};

std::ostream& operator<<(std::ostream& out, const body& x) {
  return out << testing::PrintToString(x.text.substr(0, 40)) << (x.terminated ? "+LF" : "");
}

buffer lines_payload_of(std::string_view text, timestamp time = {}) {
  lines_payload payload;
  payload.append(text);
  return std::move(payload).finish(time);
}

/// Reads all records, or fails the test.
std::vector<body> read_all(byte_view payload, std::uint32_t count) {
  auto reader = record_reader::open(payload, count);
  if (!reader) {
    ADD_FAILURE() << reader.error().message;
    return {};
  }
  std::vector<body> result;
  while (auto* record = reader->next())
    result.push_back({std::string{record->body}, record->terminated});
  if (reader->failure())
    ADD_FAILURE() << reader->failure()->message;
  return result;
}

/// Why the payload can not be read, be it found when it is opened or by its records.
error failure_of(byte_view payload, std::uint32_t count) {
  auto reader = record_reader::open(payload, count);
  if (!reader)
    return reader.error();
  while (reader->next() != nullptr) {
  }
  EXPECT_EQ(reader->next(), nullptr);
  return reader->failure().value_or(error{});
}

void expect_refused(byte_view payload, std::uint32_t count, errc code, std::string_view what) {
  auto failure = failure_of(payload, count);
  EXPECT_EQ(failure.code, code) << failure.message;
  EXPECT_NE(failure.message.find(what), std::string::npos) << failure.message << " lacks " << what;
}

/// A payload put together by hand.
buffer raw_payload(std::uint8_t flags, std::string_view bodies, std::string_view columns) {
  buffer payload;
  detail::byte_writer out{payload};
  out.u8(1);
  out.u8(flags);
  out.u16(0);
  out.u32(static_cast<std::uint32_t>(bodies.size()));
  out.time(at_ns(1000));
  out.text(bodies);
  out.text(columns);
  return payload;
}

std::string joined(const std::vector<body>& bodies) {
  std::string text;
  for (const auto& body : bodies)
    text += body.text + (body.terminated ? "\n" : "");
  return text;
}

} // namespace

TEST(lines_payload, holds_hostile_lines_exactly) {
  auto text = "plain\n\nCR LF\r\n\xff\xfe invalid\n" + std::string{"NUL \0 here\n", 11} + "\r\n" +
              std::string(10'000'000, 'x') + "\nno newline at the end";
  auto count = count_lines(text);
  EXPECT_EQ(count, 8u);
  auto payload = lines_payload_of(text);
  auto bodies = read_all(payload.view(), count);
  ASSERT_EQ(bodies.size(), count);
  EXPECT_EQ(bodies[1], (body{""}));
  EXPECT_EQ(bodies[2], (body{"CR LF\r"}));
  EXPECT_EQ(bodies[4], (body{std::string{"NUL \0 here", 10}}));
  EXPECT_EQ(bodies[5], (body{"\r"}));
  EXPECT_EQ(bodies[6].text.size(), 10'000'000u);
  EXPECT_EQ(bodies[7], (body{"no newline at the end", false}));
  EXPECT_TRUE(joined(bodies) == text);
}

TEST(lines_payload, is_written_in_place) {
  lines_payload payload;
  auto room = payload.prepare(100);
  std::memcpy(room.data(), "one\ntwo\nthr", 11);
  payload.commit(11);
  EXPECT_EQ(payload.text(), "one\ntwo\nthr");
  auto more = payload.prepare(1'000'000);
  std::memcpy(more.data(), "ee\n", 3);
  payload.commit(3);
  payload.append("rest");
  EXPECT_EQ(payload.text_bytes(), 18u);
  payload.truncate(14);
  EXPECT_EQ(payload.text(), "one\ntwo\nthree\n");
  auto made = std::move(payload).finish(at_ns(5));
  EXPECT_EQ(read_all(made.view(), 3), (std::vector<body>{{"one"}, {"two"}, {"three"}}));
}

TEST(lines_payload, reuses_memory) {
  auto first = lines_payload_of(std::string(1000, 'x'));
  auto* memory = first.data();
  lines_payload again{std::move(first)};
  EXPECT_EQ(again.text(), "");
  again.append("y\n");
  EXPECT_EQ(std::move(again).finish({}).data(), memory);
}

TEST(lines_payload, every_record_has_its_time) {
  auto payload = lines_payload_of("a\nb\n", at_ns(-42));
  auto reader = record_reader::open(payload.view(), 2);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(reader->is_lines());
  EXPECT_EQ(reader->bodies(), "a\nb\n");
  EXPECT_EQ(reader->common_time(), at_ns(-42));
  while (auto* record = reader->next()) {
    EXPECT_EQ(record->time, at_ns(-42));
    EXPECT_EQ(record->level, std::nullopt);
    EXPECT_TRUE(record->attributes.empty());
  }
}

TEST(lines_payload, count_must_be_right) {
  auto payload = lines_payload_of("a\nb\n");
  expect_refused(payload.view(), 1, errc::malformed, "2 bytes of bodies are left");
  expect_refused(payload.view(), 3, errc::malformed, "fewer lines");
  expect_refused(payload.view(), 0xffffffff, errc::malformed, "fewer lines");
  expect_refused(payload.view(), 0, errc::malformed, "at least one record");
}

TEST(count_lines, agrees_with_counting_one_by_one) {
  EXPECT_EQ(count_lines(""), 0u);
  EXPECT_EQ(count_lines("\n"), 1u);
  EXPECT_EQ(count_lines("a"), 1u);
  EXPECT_EQ(count_lines("a\nb"), 2u);
  EXPECT_EQ(count_lines(std::string(100'000, '\n')), 100'000u);
  random_source random{fixed_seed};
  for (int i = 0; i < 200; ++i) {
    std::string text(below(random, 2000), 'x');
    for (auto& c : text)
      c = below(random, 3) == 0 ? '\n' : 'x';
    auto expected = static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n'));
    expected += !text.empty() && text.back() != '\n';
    EXPECT_EQ(count_lines(text), expected) << "seed " << fixed_seed;
  }
}

TEST(record_encoder, round_trips_every_combination_of_columns) {
  random_source random{fixed_seed};
  for (int columns = 0; columns < 8; ++columns) {
    struct sample {
      std::string body;
      timestamp time;
      std::optional<severity> level;
      std::vector<std::pair<std::string, std::string>> attributes;
    };
    std::vector<sample> samples(50);
    record_encoder encoder;
    for (auto& s : samples) {
      s.body = random_text(random, 300);
      s.time = at_ns((columns & 1) != 0 ? static_cast<std::int64_t>(random()) : 77);
      if ((columns & 2) != 0 && below(random, 2) == 0)
        s.level = severity{static_cast<std::uint8_t>(below(random, 8))};
      for (auto n = (columns & 4) != 0 ? below(random, 4) : 0; n > 0; --n)
        s.attributes.emplace_back("k" + random_text(random, 200), random_text(random, 1000));
      record_view view{s.time, s.level, s.body, true, {s.attributes.begin(), s.attributes.end()}};
      ASSERT_TRUE(encoder.append(view));
    }
    ASSERT_EQ(encoder.count(), samples.size());
    auto payload = encoder.finish();
    EXPECT_EQ(encoder.count(), 0u);
    auto flags = std::to_integer<int>(payload.data()[1]);
    EXPECT_EQ(flags, 1 | columns << 1) << "seed " << fixed_seed;

    auto reader = record_reader::open(payload.view(), static_cast<std::uint32_t>(samples.size()));
    ASSERT_TRUE(reader);
    EXPECT_FALSE(reader->is_lines());
    EXPECT_EQ(reader->common_time().has_value(), (columns & 1) == 0);
    for (const auto& s : samples) {
      auto* record = reader->next();
      ASSERT_NE(record, nullptr) << reader->failure()->message;
      EXPECT_EQ(record->body, s.body);
      EXPECT_EQ(record->time, s.time);
      EXPECT_EQ(record->level, s.level);
      EXPECT_TRUE(record->terminated);
      EXPECT_TRUE(std::ranges::equal(record->attributes, s.attributes,
        [](const auto& a, const auto& b) { return a.first == b.first && a.second == b.second; }));
    }
    EXPECT_EQ(reader->next(), nullptr);
    EXPECT_FALSE(reader->failure());
  }
}

TEST(record_encoder, knows_the_range_of_times_and_starts_afresh) {
  record_encoder encoder;
  for (auto ns : {50, 10, 90, 40})
    ASSERT_TRUE(encoder.append({at_ns(ns), severity::error, "x", true, {}}));
  EXPECT_EQ(encoder.first_timestamp(), at_ns(10));
  EXPECT_EQ(encoder.last_timestamp(), at_ns(90));
  EXPECT_EQ(encoder.body_bytes(), 4u);
  encoder.finish();
  ASSERT_TRUE(encoder.append({at_ns(7), {}, "", true, {}}));
  EXPECT_EQ(encoder.first_timestamp(), at_ns(7));
  EXPECT_EQ(encoder.last_timestamp(), at_ns(7));
  auto payload = encoder.finish();
  EXPECT_EQ(std::to_integer<int>(payload.data()[1]), 1);
  EXPECT_EQ(read_all(payload.view(), 1), std::vector<body>{{""}});
}

TEST(record_encoder, is_bounded) {
  record_encoder encoder;
  std::string long_key(257, 'k'), long_value(64 * 1024 + 1, 'v');
  auto refused = [&](std::vector<attribute> attributes) {
    return code_of(encoder.append({at_ns(1), {}, "x", true, std::move(attributes)}));
  };
  EXPECT_EQ(refused({{long_key, "v"}}), errc::too_large);
  EXPECT_EQ(refused({{"k", long_value}}), errc::too_large);
  EXPECT_EQ(refused(std::vector<attribute>(65, {"k", "v"})), errc::too_large);
  EXPECT_EQ(refused({{"", "v"}}), errc::invalid_argument);
  EXPECT_EQ(encoder.count(), 0u);
  EXPECT_EQ(refused(std::vector<attribute>(64, {"k", "v"})), errc::none);

  std::string half(32 * 1024 * 1024, 'b');
  EXPECT_EQ(code_of(encoder.append({at_ns(1), {}, half, true, {}})), errc::none);
  EXPECT_EQ(code_of(encoder.append({at_ns(1), {}, half, true, {}})), errc::too_large);
  EXPECT_EQ(encoder.count(), 2u);
  EXPECT_LE(encoder.finish().size(), frame_limits::max_decoded_bytes);
}

TEST(record_reader, refuses_a_bad_header) {
  auto good = lines_payload_of("a\n");
  auto with = [&](std::size_t at, auto value) {
    auto bytes = copy_of(good.view());
    detail::store_le(bytes.data() + at, value);
    return failure_of(bytes.view(), 1).code;
  };
  EXPECT_EQ(failure_of(good.view(), 1).code, errc::none);
  EXPECT_EQ(with(0, std::uint8_t{2}), errc::unsupported_version);
  EXPECT_EQ(with(1, std::uint8_t{16}), errc::malformed);
  EXPECT_EQ(with(2, std::uint16_t{1}), errc::malformed);
  EXPECT_EQ(with(4, std::uint32_t{3}), errc::truncated);
  EXPECT_EQ(with(4, std::uint32_t{0xffffffff}), errc::truncated);
  EXPECT_EQ(with(4, std::uint32_t{1}), errc::malformed);
  for (std::size_t size = 0; size < payload_limits::header_bytes; ++size)
    EXPECT_EQ(failure_of(good.view().first(size), 1).code, errc::truncated);
}

TEST(record_reader, refuses_malformed_lengths) {
  using namespace std::string_view_literals;
  auto refused = [](std::string_view lengths, errc code, std::string_view what) {
    expect_refused(raw_payload(1, "abcd", lengths).view(), 2, code, what);
  };
  EXPECT_EQ(read_all(raw_payload(1, "abcd", "\x04\x00"sv).view(), 2), (std::vector<body>{{"abcd"}, {""}}));
  refused("\x04", errc::truncated, "columns of 2 records");
  refused("\x04\x80", errc::truncated, "columns of 2 records");
  refused("\x02\x02\x00"sv, errc::malformed, "1 bytes behind the last column");
  refused("\x02\x01", errc::malformed, "1 bytes of bodies are left");
  refused("\x02\x03", errc::malformed, "record 1 of 2: length is 3, the bodies have 2 bytes left");
  refused("\x82\x00\x02"sv, errc::malformed, "record 0 of 2: length is not a varint");
  refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", errc::malformed, "length is 18446744073709551615");
  refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x02", errc::malformed, "not a varint");
  refused("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x02", errc::malformed, "not a varint");
}

TEST(record_reader, refuses_malformed_timestamps) {
  using namespace std::string_view_literals;
  auto good = raw_payload(2, "a\nb\n", "\x02\x01"); // +1, -1
  auto reader = record_reader::open(good.view(), 2);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->next()->time, at_ns(1001));
  EXPECT_EQ(reader->next()->time, at_ns(1000));
  expect_refused(raw_payload(2, "a\nb\n", "\x02").view(), 2, errc::truncated, "columns of 2 records");
  expect_refused(raw_payload(2, "a\nb\n", "\x02\x80\x00"sv).view(), 2, errc::malformed, "timestamp is not a varint");
}

TEST(record_reader, refuses_malformed_severities) {
  auto good = raw_payload(4, "a\nb\n", "\x07\xff");
  auto reader = record_reader::open(good.view(), 2);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->next()->level, severity::debug);
  EXPECT_EQ(reader->next()->level, std::nullopt);
  expect_refused(raw_payload(4, "a\nb\n", "\x07").view(), 2, errc::truncated, "columns of 2 records");
  expect_refused(raw_payload(4, "a\nb\n", "\x07\x08").view(), 2, errc::malformed, "severity is 8");
}

TEST(record_reader, refuses_malformed_attributes) {
  using namespace std::string_view_literals;
  auto refused = [](std::string_view column, errc code, std::string_view what) {
    expect_refused(raw_payload(8, "a\n", column).view(), 1, code, what);
  };
  auto good = raw_payload(8, "a\n", "\x02\x01k\x01v\x01K\x00"sv);
  auto reader = record_reader::open(good.view(), 1);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->next()->attributes, (std::vector<attribute>{{"k", "v"}, {"K", ""}}));
  refused("", errc::truncated, "attributes break off");
  refused("\x41", errc::malformed, "has 65 attributes");
  refused("\x01\x00\x01v"sv, errc::malformed, "key has 0 bytes");
  refused("\x01\x05key", errc::truncated, "attributes break off");
  refused("\x01\x01k", errc::truncated, "attributes break off");
  refused("\x01\x01k\x02v", errc::truncated, "attributes break off");
  refused("\x81\x00\x01k\x01v"sv, errc::malformed, "attributes break off");
  refused("\x00trailing"sv, errc::malformed, "8 bytes of attributes are left");
  refused(std::string{"\x01\x81\x02"} + std::string(257, 'k') + '\0', errc::malformed, "key has 257 bytes");
  refused(std::string{"\x01\x01k\x81\x80\x04"} + std::string(65537, 'v'), errc::malformed, "value has 65537 bytes");
}

TEST(record_reader, survives_any_flipped_bit) {
  record_encoder encoder;
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(encoder.append({at_ns(1000 * i), severity::notice, "body", true, {{"key", "value"}}}));
  auto payload = encoder.finish();
  for (std::size_t bit = 0; bit < payload.size() * 8; ++bit) {
    auto bytes = copy_of(payload.view());
    bytes.data()[bit / 8] ^= std::byte(1u << (bit % 8));
    auto reader = record_reader::open(bytes.view(), 5);
    std::size_t records = 0, body_bytes = 0;
    if (reader)
      for (; auto* record = reader->next(); ++records)
        body_bytes += record->body.size();
    EXPECT_LE(records, 5u);
    EXPECT_LE(body_bytes, payload.size());
  }
}

TEST(severity, parses_names_and_numbers) {
  EXPECT_EQ(parse_severity("emergency"), severity::emergency);
  EXPECT_EQ(parse_severity("emerg"), severity::emergency);
  EXPECT_EQ(parse_severity("CRIT"), severity::critical);
  EXPECT_EQ(parse_severity("err"), severity::error);
  EXPECT_EQ(parse_severity("Warning"), severity::warning);
  EXPECT_EQ(parse_severity("WARN"), severity::warning);
  EXPECT_EQ(parse_severity("info"), severity::informational);
  for (std::uint8_t i = 0; i < 8; ++i) {
    EXPECT_EQ(parse_severity(std::to_string(i)), severity{i});
    EXPECT_EQ(parse_severity(to_string(severity{i})), severity{i});
  }
  for (auto text : {"", "8", "-1", "07", "erro", "errors", "warn ", "none"})
    EXPECT_EQ(parse_severity(text), std::nullopt) << text;
}

} // namespace sluice
