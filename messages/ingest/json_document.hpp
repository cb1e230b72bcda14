#pragma once

#include <array>
#include <optional>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>

#include "messages/errc.hpp"

namespace sluice {

/// Parses JSON texts, one at a time, into memory that is used again. At most 32 levels deep. Not thread-safe.
class json_document {
public:
  /// Holds until the next call. Errors: malformed.
  expected<const boost::json::value*> parse(std::string_view text) {
    value_.reset();
    parser_.reset(); // it may hold what has failed
    memory_.release();
    parser_.reset(&memory_);
    boost::system::error_code failure;
    parser_.write(text.data(), text.size(), failure);
    if (failure)
      return fail(errc::malformed, "no JSON: " + failure.message());
    value_.emplace(parser_.release());
    return &*value_;
  }

private:
  std::array<unsigned char, 16 * 1024> first_;
  boost::json::monotonic_resource memory_{first_.data(), first_.size()};
  boost::json::parser parser_;
  std::optional<boost::json::value> value_;
};

} // namespace sluice
