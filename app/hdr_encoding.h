#pragma once

#include <string>
#include <string_view>

#include "base/expected.h"
#include "hdr_histogram.h"

namespace pollux::app {

// HdrHistogram's own exchange format: V2, compressed, in base64, as its implementations in other languages write and
// read it (encodeIntoCompressedByteBuffer in HdrHistogram's AbstractHistogram.java). Values are nanoseconds, kept to
// three digits, trackable up to 2^42 - 1.
std::string encode_hdr(const HdrHistogram& histogram);

// Reads what encode_hdr wrote; of other layouts (digits, ranges) it says that it does not. Never more memory than one
// histogram takes, whatever the text says.
Expected<HdrHistogram, std::string> decode_hdr(std::string_view base64);

}  // namespace pollux::app
