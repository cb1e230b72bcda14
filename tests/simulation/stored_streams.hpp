#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/source/overload.hpp"
#include "messages/errc.hpp"
#include "messages/frame.hpp"
#include "transport/file_system.hpp"

namespace sluice::test {

/// What was written to a file, or came through a pipe.
struct written_file {
  std::string text;
  /// How much of it must be stored; of the rest any part may be that follows.
  std::size_t needed = text.size();
  /// In which epoch, if that is known.
  std::optional<std::uint64_t> epoch{};
};

/// What a shipper may leave out.
struct droppable {
  overload_policy policy = overload_policy::block;
  std::size_t max_record_bytes = 0; ///< Longer lines are counted in pieces, if they are cut.
};

/// What one or more stores hold of every stream, to be compared with what was written.
class stored_streams {
public:
  /// Reads a store. Fails at the first damage.
  expected<void> add_store(file_system& files, const std::filesystem::path& folder);

  /// Looks for `files`, all that was written to one path, oldest first, among the streams of this host and source:
  /// each must be one stream, complete, and no other stream may be there; `in_order` if each is to be stored behind
  /// the one before. What `may_go` allows to be dropped is there as a gap that counts it. Returns what is wrong, or
  /// nothing.
  std::string compare(const std::string& host, const std::string& source, const std::vector<written_file>& files,
    bool in_order, const droppable& may_go = {});

  /// Records that gaps count which an overload has left.
  std::uint64_t dropped_records() const noexcept { return dropped_records_; }

private:
  struct place {
    std::size_t store = 0, frame = 0; ///< The `frame`-th of its store.
  };
  struct stored_frame {
    place where;
    frame_header header;
    std::string text; ///< As its source had it; the reason of a gap.
  };
  struct stream {
    stream_id id;
    std::vector<stored_frame> frames; ///< Those of one store in stored order, behind those of the one before.
    bool is_taken = false;
  };
  using source_name = std::pair<std::string, std::string>; ///< Host and source.

  std::string compare(const stream& found, const written_file& wanted, const droppable& may_go);
  static bool is_elsewhere(const stream& in, const stored_frame& frame);
  static std::string check_gap(const stored_frame& gap, std::string_view written, const droppable& may_go);

  std::size_t stores_ = 0;
  std::uint64_t dropped_records_ = 0;
  std::map<source_name, std::vector<stream>> sources_;
};

} // namespace sluice::test
