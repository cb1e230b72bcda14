#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>
#include <caf/deep_to_string.hpp>
#include <caf/init_global_meta_objects.hpp>

#include "messages/batch.hpp"
#include "messages/protocol.hpp"
#include "messages/type_ids.hpp"
#include "tests/unit/messages_samples.hpp"

namespace sluice {

namespace {

template <class T>
caf::byte_buffer saved(const T& value) {
  caf::byte_buffer bytes;
  caf::binary_serializer out{nullptr, bytes};
  EXPECT_TRUE(out.apply(value));
  return bytes;
}

template <class T>
bool load(const caf::byte_buffer& bytes, T& value) {
  caf::binary_deserializer in{nullptr, bytes};
  return in.apply(value) && in.remaining() == 0;
}

template <class T>
T reloaded(const T& value) {
  T result;
  EXPECT_TRUE(load(saved(value), result));
  return result;
}

class serialization : public testing::Test {
protected:
  static void SetUpTestSuite() {
    caf::core::init_global_meta_objects();
    init_messages_meta_objects();
  }
};

} // namespace

TEST(type_ids, are_stable) {
  EXPECT_EQ(caf::type_id_v<error>, caf::first_custom_type_id);
  EXPECT_EQ(caf::type_id_v<frame>, caf::first_custom_type_id + 8);
  EXPECT_EQ(caf::type_id_v<heartbeat>, caf::first_custom_type_id + 11);
  EXPECT_EQ(caf::type_name_v<frame>, "sluice::frame");
}

TEST_F(serialization, small_messages_round_trip) {
  stream_id stream{sample_id(0), sample_id(0xf0)};
  stream_point point{2, 3, 1017};
  EXPECT_EQ(reloaded(stream), stream);
  EXPECT_EQ(reloaded(point), point);
  EXPECT_EQ(reloaded(hello{stream, point, sample_id(1), 4}), (hello{stream, point, sample_id(1), 4}));
  EXPECT_EQ(reloaded(welcome{stream, point, sample_id(1)}), (welcome{stream, point, sample_id(1)}));
  EXPECT_EQ(reloaded(ack{stream, point}), (ack{stream, point}));
  EXPECT_EQ(reloaded(heartbeat{}), heartbeat{});
  error failure{errc::stale_epoch, "epoch 3 has taken over"};
  EXPECT_EQ(reloaded(failure), failure);
  EXPECT_EQ(reloaded(notice{failure, true}), (notice{failure, true}));
  EXPECT_EQ(reloaded(sample_header().labels), sample_header().labels);
}

TEST_F(serialization, a_frame_travels_as_one_block) {
  random_source random{fixed_seed};
  auto sent = random_frame(random);
  auto bytes = saved(sent);
  EXPECT_EQ(bytes.size(), sent.size() + sizeof(std::uint32_t));
  auto received = reloaded(sent);
  EXPECT_EQ(received.header(), sent.header());
  EXPECT_EQ(as_text(received.bytes()), as_text(sent.bytes()));
}

TEST_F(serialization, a_damaged_frame_is_refused) {
  auto bytes = saved(sample_frame());
  frame received;
  bytes.back() ^= caf::byte{1};
  EXPECT_FALSE(load(bytes, received));
  bytes.back() ^= caf::byte{1};
  EXPECT_TRUE(load(bytes, received));
}

TEST_F(serialization, a_block_of_4_gib_is_refused_without_memory_for_it) {
  auto bytes = saved(sample_frame());
  std::fill_n(bytes.begin(), 4, caf::byte{0xff});
  frame received;
  EXPECT_FALSE(load(bytes, received));
}

TEST_F(serialization, a_batch_round_trips) {
  batch sent{sample_header(), share(copy_of(as_bytes("any payload")))};
  sent.header.compression = codec::zstd;
  sent.header.decoded_bytes = 11;
  auto received = reloaded(sent);
  EXPECT_EQ(received.header, sent.header);
  ASSERT_NE(received.payload, nullptr);
  EXPECT_EQ(received.payload->text(), "any payload");
}

TEST_F(serialization, a_batch_that_is_a_gap_stays_one) {
  EXPECT_EQ(reloaded(batch{sample_gap(), share(copy_of(as_bytes("truncated")))}).header, sample_gap());
}

TEST_F(serialization, labels_out_of_bounds_are_refused) {
  using pairs = std::vector<label_set::value_type>;
  label_set labels;
  EXPECT_TRUE(load(saved(pairs{{"b", "1"}, {"a", "2"}}), labels));
  EXPECT_EQ(to_string(labels), R"({a="2", b="1"})");
  EXPECT_FALSE(load(saved(pairs{{"a b", ""}}), labels));
  EXPECT_FALSE(load(saved(pairs{{"a", "\xff"}}), labels));
  pairs many;
  for (int i = 0; i < 33; ++i)
    many.emplace_back("k" + std::to_string(i), "");
  EXPECT_FALSE(load(saved(many), labels));
}

TEST_F(serialization, a_frame_prints_without_its_bytes) {
  EXPECT_LT(caf::deep_to_string(sample_frame()).size(), 100u);
}

TEST_F(serialization, types_are_known_by_name) {
  EXPECT_EQ(caf::query_type_name(caf::type_id_v<ack>), "sluice::ack");
}

} // namespace sluice
