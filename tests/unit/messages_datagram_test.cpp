#include <string>

#include <gtest/gtest.h>

#include "messages/datagram.hpp"
#include "messages/detail/endian.hpp"

namespace sluice::test {
namespace {

std::string encoded(const datagram_head& head, std::string_view payload = {}) {
  return std::string{as_text(encode_datagram_head(head, as_bytes(payload)))} + std::string{payload};
}

errc failure_of(std::string_view bytes) {
  auto found = decode_datagram(as_bytes(bytes));
  return found ? errc::none : found.error().code;
}

constexpr datagram_head sample{.kind = datagram_kind::data,
  .last = true,
  .connection = 0x0102030405060708,
  .token = 9,
  .number = 10,
  .acked = 11,
  .selective = 12,
  .limit_bytes = 13};

TEST(datagram_test, comes_back_as_it_was) {
  auto bytes = encoded(sample, "payload");
  auto found = decode_datagram(as_bytes(bytes));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->head, sample);
  EXPECT_EQ(as_text(found->payload), "payload");
}

TEST(datagram_test, has_the_layout_of_the_specification) {
  auto bytes = encoded(sample, "x");
  ASSERT_EQ(bytes.size(), 61u);
  EXPECT_EQ(bytes.substr(0, 8), std::string_view("SLDG\x01\x03\x01\x00", 8));
  EXPECT_EQ(bytes.substr(8, 8), "\x08\x07\x06\x05\x04\x03\x02\x01");
  for (std::size_t i = 0; i < 5; ++i)
    EXPECT_EQ(detail::load_le<std::uint64_t>(as_bytes(bytes).data() + 16 + 8 * i), 9 + i);
  EXPECT_EQ(bytes[60], 'x');
}

TEST(datagram_test, every_changed_bit_is_noticed) {
  auto bytes = encoded(sample, "payload");
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(failure_of(changed), errc::none) << "bit " << bit;
  }
}

TEST(datagram_test, what_is_cut_is_refused) {
  auto bytes = encoded(sample, "payload");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(failure_of(bytes.substr(0, size)), errc::none) << size;
  EXPECT_EQ(failure_of("short"), errc::truncated);
  EXPECT_EQ(failure_of(std::string(100, 'x')), errc::bad_magic);
}

TEST(datagram_test, fields_must_fit_the_kind) {
  auto with = [](auto change) {
    auto head = sample;
    change(head);
    return head;
  };
  using enum datagram_kind;
  EXPECT_EQ(failure_of(encoded(with([](auto& x) { x.number = 0; }), "x")), errc::malformed);
  EXPECT_EQ(failure_of(encoded(with([](auto& x) { x.token = 0; }), "x")), errc::malformed);
  EXPECT_EQ(failure_of(encoded(with([](auto& x) { x.last = false; }))), errc::malformed) << "nothing in it";
  EXPECT_EQ(failure_of(encoded(with([](auto& x) { x.asks = true; }), "x")), errc::malformed);
  EXPECT_EQ(failure_of(encoded(sample)), errc::none) << "the last may be empty";
  EXPECT_EQ(failure_of(encoded({.kind = ack, .token = 1}, "x")), errc::malformed);
  EXPECT_EQ(failure_of(encoded({.kind = ack, .token = 1})), errc::none);
  EXPECT_EQ(failure_of(encoded({.kind = open, .connection = 1})), errc::none);
  EXPECT_EQ(failure_of(encoded({.kind = open, .connection = 1, .token = 1})), errc::malformed);
  EXPECT_EQ(failure_of(encoded({.kind = datagram_kind{6}, .token = 1})), errc::malformed);
  EXPECT_EQ(failure_of(encoded({.kind = datagram_kind{0}, .token = 1})), errc::malformed);
}

} // namespace
} // namespace sluice::test
