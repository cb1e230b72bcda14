#pragma once

#include "messages/ingest/ingest.hpp"
#include "tests/fuzz/fuzz_support.hpp"

namespace sluice {

/// Takes records and sees that they can be encoded.
class checked_records {
public:
  ingest_take take() {
    return [this](const record_view& record) {
      ++count_;
      record_encoder encoder;
      FUZZ_REQUIRE(encoder.append(record));
      encoder.finish();
    };
  }

  /// A reader that has failed has given nothing away; one that has not says how much it has.
  void require(const expected<ingest_counts>& outcome) const {
    FUZZ_REQUIRE(count_ == (outcome ? outcome->records : 0));
  }

private:
  std::uint64_t count_ = 0;
};

inline constexpr timestamp fuzz_time{std::chrono::hours{500'000}};

} // namespace sluice
