#include <gtest/gtest.h>

#include "messages/uuid.hpp"

namespace sluice::test {

TEST(uuid, is_another_one_with_each_call) {
  auto made = make_uuid();
  EXPECT_NE(made, make_uuid());
  EXPECT_EQ(made[6] >> 4, 4) << "version: random";
  EXPECT_EQ(made[8] >> 6, 2) << "variant: RFC 4122";
}

TEST(uuid, comes_back_from_its_text) {
  auto made = make_uuid();
  EXPECT_EQ(parse_uuid(to_string(made)), made);
}

TEST(uuid, is_not_made_of_other_text) {
  auto text = to_string(make_uuid());
  for (auto wrong : {std::string{}, text.substr(1), text + "0", "x" + text.substr(1), std::string(36, '-')})
    EXPECT_FALSE(parse_uuid(wrong)) << wrong;
}

} // namespace sluice::test
