#pragma once

#include "messages/errc.hpp"
#include "messages/stream.hpp"

namespace sluice {

class file;

/// The source key of an open file: the same after a rename or when lines are appended, another when the inode is used
/// again or the beginning is rewritten. A hash of device, inode, time of birth and the first line, of which at most
/// 1024 bytes count.
expected<id128> identify_file(file& opened);

} // namespace sluice
