#include <gtest/gtest.h>

#include "actors/source/abandoned_input.hpp"
#include "tests/support/make_frame.hpp"

namespace sluice::test {

class abandoned : public testing::Test {
protected:
  abandoned_input input_;
};

TEST_F(abandoned, input_is_what_lies_between_acknowledged_and_read) {
  input_.add(make_stream(1), 10, 30);
  input_.add(make_stream(2), 5, 5);
  EXPECT_EQ(input_.left().streams, 1);
  EXPECT_EQ(input_.left().bytes, 20);
}

TEST_F(abandoned, input_goes_as_it_is_acknowledged_after_all) {
  input_.add(make_stream(1), 10, 30);
  input_.acknowledge(make_stream(1), 25);
  EXPECT_EQ(input_.left().bytes, 5);
  input_.acknowledge(make_stream(1), 20);
  EXPECT_EQ(input_.left().bytes, 5);
  input_.acknowledge(make_stream(1), 30);
  EXPECT_EQ(input_.left().streams, 0);
}

TEST_F(abandoned, input_is_counted_once_when_a_second_source_fails) {
  input_.add(make_stream(1), 10, 30);
  input_.add(make_stream(1), 15, 20);
  EXPECT_EQ(input_.left().bytes, 15);
}

} // namespace sluice::test
