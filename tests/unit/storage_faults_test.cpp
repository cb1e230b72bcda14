#include <random>

#include <gtest/gtest.h>

#include "actors/storage/store.hpp"
#include "actors/storage/store_check.hpp"
#include "tests/support/make_frame.hpp"
#include "tests/support/sim_file_system.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using test::frame_maker;
using test::make_stream;

const std::filesystem::path folder = "/store";
const auto start = test::at_seconds(1'700'000'000);

/// Frames on their way into a store on a disk that fails, sent again until they are acknowledged.
class faulty_run {
public:
  explicit faulty_run(std::uint64_t seed) : files(seed) {
    options.segment_bytes = 1500;
    options.max_used_percent = 105;
    for (int i = 0; i < 30; ++i)
      frames_.push_back(maker_.lines(std::string(100 + i * 20, 'x') + "\n"));
  }

  /// Opens the store if need be and sends what is not acknowledged, five frames a commit. Whether all is.
  bool round() {
    if (!target_) {
      auto opened = store::open(files, folder, options, start);
      if (!opened) {
        last_error = opened.error();
        return false;
      }
      target_ = std::move(*opened);
    }
    EXPECT_GE(target_->last(maker_.stream()), acknowledged_);
    while (acknowledged_.sequence < frames_.size()) {
      auto rest = std::span<const frame>{frames_}.subspan(acknowledged_.sequence);
      auto progress = acknowledged_;
      for (auto& answer : target_->commit(rest.first(std::min<std::size_t>(rest.size(), 5)), start))
        if (answer)
          acknowledged_ = answer->last;
        else
          last_error = answer.error();
      if (acknowledged_ == progress)
        return false;
    }
    return target_->tend(start + 30min).has_value();
  }

  /// Once nothing fails any more: all is stored, once, in order, and survives a power failure.
  void expect_all_stored() {
    files.clear_faults();
    EXPECT_TRUE(round()) << last_error.message;
    target_.reset();
    files.crash();
    std::uint64_t count = 0;
    auto result = verify_store(files, folder, [](const damage& each) { ADD_FAILURE() << to_string(each); });
    ASSERT_TRUE(result);
    EXPECT_EQ(result->frames, frames_.size());
    auto segments = list_segments(files, folder).value();
    for (auto& segment : segments) {
      auto reader = segment_reader::open(files, segment.path).value();
      for (auto& entry : reader.index().frames)
        EXPECT_EQ(entry.last.sequence, ++count);
    }
  }

  test::sim_file_system files;
  store_options options;
  error last_error;

private:
  frame_maker maker_{make_stream(1)};
  std::vector<frame> frames_;
  std::unique_ptr<store> target_;
  stream_point acknowledged_;
};

TEST(storage_faults, goes_on_after_the_disk_has_failed_from_any_operation_on) {
  for (std::uint64_t operation = 1;; ++operation) {
    SCOPED_TRACE("from operation " + std::to_string(operation));
    faulty_run run{operation};
    run.files.power_off_after(operation);
    auto untouched = run.round();
    if (!untouched)
      EXPECT_EQ(run.last_error.code, errc::io_error) << run.last_error.message;
    run.expect_all_stored();
    if (untouched || testing::Test::HasFailure()) {
      EXPECT_GT(operation, 50);
      break;
    }
  }
}

TEST(storage_faults, goes_on_after_any_write_has_failed) {
  for (auto code : {errc::io_error, errc::storage_full})
    for (std::uint64_t nth = 1; nth < 40; ++nth) {
      SCOPED_TRACE(std::string{to_string(code)} + " at write " + std::to_string(nth));
      faulty_run run{nth};
      run.files.fail_write(nth, code);
      run.round();
      run.expect_all_stored();
      if (testing::Test::HasFailure())
        return;
    }
}

TEST(storage_faults, goes_on_after_any_sync_has_failed) {
  for (std::uint64_t nth = 1; nth < 60; ++nth) {
    SCOPED_TRACE("sync " + std::to_string(nth));
    faulty_run run{nth};
    run.files.fail_sync(nth, errc::io_error);
    run.round();
    run.expect_all_stored();
    if (testing::Test::HasFailure())
      return;
  }
}

TEST(storage_faults, outlives_a_disk_on_which_every_fifth_call_fails) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    faulty_run run{seed};
    run.files.fail_calls(200, errc::io_error);
    for (int i = 0; i < 20; ++i)
      run.round();
    run.expect_all_stored();
    if (testing::Test::HasFailure())
      return;
  }
}

TEST(storage_faults, a_folder_that_cannot_be_written_is_told) {
  faulty_run run{1};
  run.files.fail_calls(1000, errc::permission_denied);
  EXPECT_FALSE(run.round());
  EXPECT_EQ(run.last_error.code, errc::permission_denied);
  run.expect_all_stored();
}

TEST(storage_faults, a_folder_that_cannot_be_written_any_more_leaves_what_there_is) {
  faulty_run run{1};
  run.options.segment_bytes = 100'000;
  ASSERT_TRUE(run.round());
  run.files.fail_calls(1000, errc::permission_denied);
  run.round();
  run.expect_all_stored();
}

} // namespace
} // namespace sluice
