#pragma once

#include "actors/source/chunk_reader.hpp"
#include "actors/source/file_identity.hpp"

namespace sluice {

/// What was read of a file that others write to meanwhile.
struct followed_chunk {
  file_chunk chunk;
  file_head head;            ///< The file's present one, longer than the known one if it has grown.
  std::uint64_t size = 0;    ///< Of the file, before it was read.
  bool is_truncated = false; ///< Something else is in the file now; nothing was taken.
};

/// Whether a file may be shorter than what was read of it: a copy may, that was made before the last of it was written.
enum class least_size : std::uint8_t { what_was_read, any };

/// Reads as `read_records` does, and makes sure that the file still begins with `known` and was never shorter than what
/// is read, before and after; so what is taken was there before the file was truncated, if it was. Blocks.
expected<followed_chunk> read_followed(
  file& from, std::uint64_t position, const file_head& known, const reading& how, buffer memory, least_size least);

} // namespace sluice
