#include <gtest/gtest.h>

#include "messages/buffer.hpp"
#include "messages/buffer_pool.hpp"

namespace sluice {

TEST(buffer, keeps_its_content_when_it_grows) {
  buffer bytes;
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += std::to_string(i);
    bytes.append(as_bytes(std::to_string(i)));
  }
  EXPECT_EQ(bytes.text(), text);
  bytes.push_back(std::byte{'x'});
  EXPECT_EQ(bytes.text(), text + "x");
}

TEST(buffer, is_empty_after_it_was_moved_from) {
  buffer from;
  from.append(as_bytes("text"));
  buffer to{std::move(from)};
  EXPECT_EQ(to.text(), "text");
  EXPECT_EQ(from.size(), 0u);
  EXPECT_EQ(from.capacity(), 0u);
  from.append(as_bytes("again"));
  to = std::move(from);
  EXPECT_EQ(to.text(), "again");
  EXPECT_EQ(from.capacity(), 0u);
}

TEST(buffer, keeps_its_memory_when_cleared) {
  buffer bytes{100};
  bytes.append(as_bytes("text"));
  auto* memory = bytes.data();
  bytes.clear();
  EXPECT_TRUE(bytes.empty());
  bytes.resize(100);
  EXPECT_EQ(bytes.data(), memory);
}

TEST(buffer_pool, gives_memory_back_once_nobody_shares_it) {
  auto pool = std::make_shared<buffer_pool>();
  buffer bytes{1000};
  bytes.append(as_bytes("text"));
  auto* memory = bytes.data();
  auto shared = pool->share(std::move(bytes));
  EXPECT_EQ(shared->text(), "text");
  EXPECT_EQ(pool->take().capacity(), 0u);
  shared.reset();
  auto again = pool->take();
  EXPECT_EQ(again.data(), memory);
  EXPECT_TRUE(again.empty());
}

TEST(buffer_pool, keeps_no_more_than_its_bound) {
  auto pool = std::make_shared<buffer_pool>();
  auto first = pool->share(buffer{buffer_pool::max_kept_bytes});
  auto second = pool->share(buffer{1});
  first.reset();
  second.reset();
  EXPECT_EQ(pool->take().capacity(), buffer_pool::max_kept_bytes);
  EXPECT_EQ(pool->take().capacity(), 0u);
}

TEST(buffer_pool, may_be_dropped_before_its_buffers) {
  auto pool = std::make_shared<buffer_pool>();
  auto shared = pool->share(buffer{100});
  pool.reset();
  EXPECT_EQ(shared->capacity(), 100u);
}

} // namespace sluice
