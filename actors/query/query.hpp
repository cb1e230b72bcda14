#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/storage/segment_reader.hpp"
#include "messages/frame.hpp"
#include "messages/record_codec.hpp"
#include "transport/file_system.hpp"

namespace sluice {

/// Which records a query gives; all conditions must hold.
struct query_options {
  std::optional<timestamp> since; ///< Inclusive.
  std::optional<timestamp> until; ///< Exclusive.
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<severity> level; ///< At least as severe; a record without severity does not match.
  std::string contains;          ///< Bytes that the body has somewhere; empty for any body.
  std::string match;             ///< RE2 expression that matches somewhere in the body; empty for any body.
  std::uint64_t limit = 0;       ///< Records; 0 for no limit.
};

struct query_stats {
  std::uint64_t records = 0;     ///< Given to the sink.
  std::uint64_t frames = 0;      ///< Looked at in the index.
  std::uint64_t frames_read = 0; ///< Read and decompressed.
  std::uint64_t gaps = 0;        ///< Told to the sink.
  std::uint64_t corrupt = 0;     ///< Damages met and passed over.
};

/// Takes what a query finds, in stored order. Each function returns whether to go on.
class record_sink {
public:
  virtual ~record_sink() = default;

  /// One record, the `index`-th of its frame. The views are valid during the call.
  virtual bool record(const frame_header& header, const record_view& record, std::uint32_t index) = 0;

  /// Records were dropped here, as `header` says, for this reason. Of the conditions only time and labels rule a gap
  /// out: what was dropped might have met the others.
  virtual bool gap(const frame_header& header, std::string_view reason) = 0;

  /// Whether whole frames of lines may come as one text through `lines` instead of record by record.
  virtual bool takes_lines() const { return false; }

  /// All `count` records of a frame as the source had them: each ended by LF, but for the last perhaps.
  virtual bool lines(const frame_header& header, std::string_view text, std::uint32_t count);
};

/// Walks all segments of a store, also while a writer appends to it. Frames that the index rules out are not read.
/// Damages are told to `on_damage` and passed over. Errors: invalid_argument (the expression), those of the file
/// system for the folder itself.
expected<query_stats> run_query(file_system& files, const std::filesystem::path& folder, const query_options& options,
  record_sink& sink, const std::function<void(const damage&)>& on_damage);

} // namespace sluice
