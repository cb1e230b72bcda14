#include "messages/protocol.hpp"
#include "tests/unit/messages_samples.hpp"

namespace sluice {

namespace {

std::string wire(const link_message& message) {
  std::string bytes{encode_head(message).text()};
  if (auto* bulk = std::get_if<frame>(&message))
    bytes += as_text(bulk->bytes());
  return bytes;
}

link_side sender_of(const link_message& message) {
  auto from_receiver = std::holds_alternative<welcome>(message) || std::holds_alternative<ack>(message);
  return from_receiver ? link_side::receiver : link_side::shipper;
}

/// Feeds `bytes` in pieces whose size `piece` tells, and collects what comes out until an error.
struct outcome {
  std::vector<std::string> messages; ///< As they stand on the wire again.
  error failure;
  bool at_boundary = false;
};

outcome feed(link_side peer, std::string_view bytes, auto piece) {
  message_decoder decoder{peer};
  outcome result;
  while (!bytes.empty()) {
    auto room = decoder.want();
    auto size = std::min({room.size(), bytes.size(), piece()});
    std::memcpy(room.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    auto complete = decoder.fed(size);
    if (!complete) {
      result.failure = complete.error();
      return result;
    }
    if (*complete) {
      auto [message, wire_bytes] = decoder.take();
      result.messages.push_back(wire(message));
      EXPECT_EQ(wire_bytes, result.messages.back().size());
    }
  }
  result.at_boundary = decoder.at_boundary();
  return result;
}

outcome feed(link_side peer, std::string_view bytes) {
  return feed(peer, bytes, [] { return std::string_view::npos; });
}

void expect_refused(const outcome& result, errc code, std::string_view what) {
  EXPECT_EQ(result.failure.code, code) << result.failure.message;
  EXPECT_NE(result.failure.message.find(what), std::string::npos) << result.failure.message << " lacks " << what;
}

/// A message with any head, its check right.
std::string raw_message(std::uint8_t type, std::string_view body, std::uint8_t zero = 0) {
  buffer bytes;
  detail::byte_writer out{bytes};
  out.u8(type);
  out.u8(0);
  out.u8(zero);
  out.u8(0);
  out.u32(static_cast<std::uint32_t>(body.size()));
  auto hashed = type == 3 ? std::string_view{} : body;
  out.u32(static_cast<std::uint32_t>(detail::hash64(bytes.view(), as_bytes(hashed))));
  out.text(body);
  return std::string{bytes.text()};
}

/// Only the head of a message that announces `body_bytes`, its check right for a frame.
std::string raw_head(std::uint8_t type, std::uint32_t body_bytes) {
  auto bytes = copy_of(as_bytes(raw_message(type, "")));
  detail::store_le(bytes.data() + 4, body_bytes);
  detail::store_le(bytes.data() + 8, static_cast<std::uint32_t>(detail::hash64(bytes.view().first(8))));
  return std::string{bytes.text()};
}

std::vector<link_message> sample_messages() {
  stream_id stream{sample_id(0), sample_id(0xf0)};
  stream_point point{2, 3, 1017};
  return {hello{stream, point, sample_id(7), 4}, hello{}, welcome{stream, point, sample_id(8)}, ack{stream, point},
    sample_frame(), heartbeat{}, notice{{errc::sequence_gap, "gr\xc3\xbc\xc3\x9f dich"}, true},
    notice{{errc::none, ""}, false}, notice{{errc{4711}, "from a newer peer"}, false}};
}

template <class T>
T take_as(link_side peer, std::string_view bytes) {
  message_decoder decoder{peer};
  while (!bytes.empty()) {
    auto room = decoder.want();
    auto size = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), size);
    bytes.remove_prefix(size);
    auto complete = decoder.fed(size);
    if (!complete) {
      ADD_FAILURE() << complete.error().message;
      return {};
    }
  }
  return std::get<T>(decoder.take().first);
}

} // namespace

TEST(protocol, golden_bytes) {
  const std::string golden_ack{
    "\x04\0\0\0\x38\0\0\0\xd9\x7f\x4a\xf7\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"
    "\x0d\x0e\x0f\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff\x02\0\0\0"
    "\0\0\0\0\x03\0\0\0\0\0\0\0\xf9\x03\0\0\0\0\0\0",
    68};
  EXPECT_EQ(wire(ack{{sample_id(0), sample_id(0xf0)}, {2, 3, 1017}}), golden_ack);
  EXPECT_EQ(as_text(preface()), std::string_view("SLUICE\x01\0", 8));
}

TEST(protocol, every_message_round_trips) {
  for (const auto& message : sample_messages()) {
    auto sent = wire(message);
    auto result = feed(sender_of(message), sent);
    EXPECT_EQ(result.failure, error{});
    EXPECT_TRUE(result.at_boundary);
    EXPECT_EQ(result.messages, std::vector{sent});
  }
}

TEST(protocol, content_survives) {
  stream_id stream{sample_id(1), sample_id(2)};
  auto read = take_as<hello>(link_side::shipper, wire(hello{stream, {1, 2, 3}, sample_id(3), 4}));
  EXPECT_EQ(read, (hello{stream, {1, 2, 3}, sample_id(3), 4}));
  notice closing{{errc::stale_epoch, "epoch 3 has taken over"}, true};
  EXPECT_EQ(take_as<notice>(link_side::receiver, wire(closing)), closing);
  EXPECT_EQ(take_as<frame>(link_side::shipper, wire(sample_frame())).header(), sample_frame().header());
}

TEST(protocol, pieces_of_any_size_give_the_same_messages) {
  random_source random{fixed_seed};
  std::string stream;
  std::vector<std::string> sent;
  for (int i = 0; i < 40; ++i) {
    for (const auto& message : sample_messages())
      if (sender_of(message) == link_side::shipper)
        sent.push_back(wire(message));
    sent.push_back(wire(random_frame(random)));
  }
  for (const auto& message : sent)
    stream += message;
  EXPECT_EQ(feed(link_side::shipper, stream).messages, sent);
  for (std::size_t size : {1, 2, 3, 11, 12, 13, 15, 16, 17, 1000})
    EXPECT_EQ(feed(link_side::shipper, stream, [size] { return size; }).messages, sent) << size;
  for (int i = 0; i < 20; ++i) {
    auto result = feed(link_side::shipper, stream, [&random] { return 1 + below(random, 400); });
    EXPECT_EQ(result.messages, sent) << "seed " << fixed_seed;
    EXPECT_TRUE(result.at_boundary);
  }
}

TEST(protocol, knows_when_a_message_is_cut) {
  for (const auto& message : sample_messages()) {
    auto sent = wire(message);
    for (std::size_t size = 1; size < sent.size(); ++size) {
      auto result = feed(sender_of(message), sent.substr(0, size));
      EXPECT_EQ(result.failure, error{});
      EXPECT_FALSE(result.at_boundary) << size;
      EXPECT_TRUE(result.messages.empty());
    }
  }
}

TEST(protocol, no_flipped_bit_gives_a_message) {
  for (const auto& message : sample_messages()) {
    auto sent = wire(message);
    for (std::size_t bit = 0; bit < sent.size() * 8; ++bit) {
      auto changed = sent;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_TRUE(feed(sender_of(message), changed).messages.empty()) << "bit " << bit;
    }
  }
}

TEST(protocol, unknown_types_are_refused) {
  for (std::uint8_t type : {0, 7, 255})
    expect_refused(feed(link_side::shipper, raw_message(type, "")), errc::protocol_violation,
      "unknown type " + std::to_string(type));
}

TEST(protocol, zero_bytes_must_be_zero) {
  expect_refused(feed(link_side::shipper, raw_message(6, "", 9)), errc::malformed, "00 09 00");
}

TEST(protocol, each_side_says_only_what_is_its_part) {
  for (const auto& message : sample_messages()) {
    auto from_either = std::holds_alternative<notice>(message) || std::holds_alternative<heartbeat>(message);
    auto other = sender_of(message) == link_side::shipper ? link_side::receiver : link_side::shipper;
    auto result = feed(other, wire(message));
    EXPECT_EQ(result.failure.code, from_either ? errc::none : errc::protocol_violation) << result.failure.message;
  }
}

TEST(protocol, bodies_are_bounded_by_type) {
  auto refused = [](std::uint8_t type, std::uint32_t body_bytes, errc code) {
    auto peer = type == 2 || type == 4 ? link_side::receiver : link_side::shipper;
    expect_refused(feed(peer, raw_head(type, body_bytes)), code, std::to_string(body_bytes));
  };
  for (std::uint8_t type = 1; type <= 6; ++type)
    refused(type, 0xffffffff, errc::too_large);
  refused(1, 79, errc::malformed);
  refused(1, 81, errc::too_large);
  refused(2, 71, errc::malformed);
  refused(2, 73, errc::too_large);
  refused(4, 55, errc::malformed);
  refused(4, 57, errc::too_large);
  refused(3, 128, errc::malformed);
  refused(3, frame_limits::max_frame_bytes + 1, errc::too_large);
  refused(5, 3, errc::malformed);
  refused(5, 1029, errc::too_large);
  refused(6, 1, errc::too_large);
}

TEST(protocol, a_wrong_check_is_refused) {
  for (const auto& message : sample_messages()) {
    auto sent = wire(message);
    sent[8] = static_cast<char>(sent[8] ^ 1);
    expect_refused(feed(sender_of(message), sent), errc::bad_checksum, "check is");
  }
}

TEST(protocol, a_frame_gets_memory_only_once_its_lengths_agree) {
  message_decoder decoder{link_side::shipper};
  auto put = [&decoder](std::string_view bytes) {
    std::memcpy(decoder.want().data(), bytes.data(), bytes.size());
    return decoder.fed(bytes.size());
  };
  ASSERT_TRUE(put(raw_head(3, frame_limits::max_frame_bytes)));
  EXPECT_EQ(decoder.want().size(), frame_limits::extent_bytes);
  auto refused = put(as_text(sample_frame().bytes().first(frame_limits::extent_bytes)));
  EXPECT_EQ(code_of(refused), errc::malformed);
  EXPECT_NE(message_of(refused).find("in a body of 67125248"), std::string::npos) << message_of(refused);
}

TEST(protocol, memory_for_a_frame_follows_what_has_come_of_it) {
  constexpr std::size_t payload_bytes = 20 << 20;
  frame_header header;
  header.decoded_bytes = payload_bytes;
  auto large = frame::encode(header, as_bytes(std::string(payload_bytes, 'x'))).value();
  auto sent = wire(large);
  message_decoder decoder{link_side::shipper};
  for (std::size_t at = 0; at < sent.size();) {
    auto room = decoder.want();
    ASSERT_FALSE(room.empty());
    auto size = std::min({room.size(), sent.size() - at, std::size_t{100'000}});
    std::memcpy(room.data(), sent.data() + at, size);
    at += size;
    auto complete = decoder.fed(size);
    ASSERT_TRUE(complete);
    EXPECT_EQ(*complete, at == sent.size());
    EXPECT_LE(decoder.capacity(), std::max<std::size_t>(2 * at, 1'200'000)) << "after " << at;
  }
  EXPECT_EQ(as_text(std::get<frame>(decoder.take().first).bytes()), as_text(large.bytes()));
}

TEST(protocol, a_body_that_is_no_frame_is_refused_by_its_first_bytes) {
  auto result = feed(link_side::shipper, raw_head(3, 1000) + "GET / HTTP/1.1\r\n");
  expect_refused(result, errc::bad_magic, "0x20544547");
}

TEST(protocol, a_damaged_frame_is_refused) {
  auto sent = wire(sample_frame());
  sent.back() = static_cast<char>(sent.back() ^ 1);
  expect_refused(feed(link_side::shipper, sent), errc::bad_checksum, "payload_hash");
}

TEST(protocol, notices_are_checked) {
  using namespace std::string_view_literals;
  expect_refused(feed(link_side::shipper, raw_message(5, "\x01\x00\x02\x00"sv)), errc::malformed, "0x02");
  expect_refused(feed(link_side::shipper, raw_message(5, "\x01\x00\x00\x01"sv)), errc::malformed, "0x01");
  expect_refused(feed(link_side::shipper, raw_message(5, "\x01\x00\x00\x00\xff"sv)), errc::malformed, "UTF-8");
}

TEST(protocol, a_notice_is_made_acceptable) {
  auto sent_as = [](std::string text) {
    return take_as<notice>(link_side::shipper, wire(notice{{errc::io_error, std::move(text)}})).reason.message;
  };
  EXPECT_EQ(sent_as("file \xff\xc3 gr\xc3\xbc"), "file ?? gr\xc3\xbc");
  EXPECT_EQ(sent_as(std::string(5000, 'x')), std::string(1024, 'x'));
  EXPECT_EQ(sent_as(std::string(1023, 'x') + "\xc3\xbc"), std::string(1023, 'x'));
}

TEST(preface, is_accepted_whole) {
  EXPECT_TRUE(check_preface(preface()));
  for (std::size_t size = 0; size < preface().size(); ++size)
    EXPECT_EQ(code_of(check_preface(preface().first(size))), errc::truncated) << size;
}

TEST(preface, another_version_is_refused) {
  auto result = check_preface(as_bytes(std::string_view{"SLUICE\x02\x00", 8}));
  EXPECT_EQ(code_of(result), errc::unsupported_version);
  EXPECT_NE(message_of(result).find("version 2"), std::string::npos) << message_of(result);
}

TEST(preface, foreign_peers_are_named) {
  using namespace std::string_view_literals;
  auto refused = [](std::string_view bytes, std::string_view speaks) {
    auto result = check_preface(as_bytes(bytes));
    EXPECT_EQ(code_of(result), errc::foreign_protocol);
    EXPECT_NE(message_of(result).find(speaks), std::string::npos) << message_of(result) << " lacks " << speaks;
  };
  refused("GET / HT", "speaks HTTP,");
  refused("POST /in", "speaks HTTP,");
  refused("OPTIONS ", "speaks HTTP,");
  refused("HTTP/1.1", "speaks HTTP,");
  refused("PRI * HT", "speaks HTTP/2,");
  refused("\x16\x03\x01\x02\x00\x01\x00\x01"sv, "speaks TLS,");
  refused("SSH-2.0-", "speaks SSH,");
  refused("<34>1 20", "speaks syslog,");
  refused("\x00\xff"
          "abc\n..more"sv,
    R"(unknown bytes, not Sluice's link protocol: it begins with "\x00\xffabc\n..")");
  refused("X", R"(begins with "X")");
}

} // namespace sluice
