#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pollux::app {

// A page to look at in a browser: what it says is data, how it looks is page/. One HTML text that needs nothing else,
// neither file nor network. All texts are plain: they are escaped when the page is made.

// What the numbers of an axis are, and hence how they are written.
enum class Unit : std::uint8_t {
  kCount,
  kPerSecond,
  kNanoseconds,
  kSeconds,
  kBytes,
  kBitsPerSecond,
  kFraction,    // 0.25: 25 %
  kPercentile,  // 1 / (1 - p): 1000 is the percentile 99.9, so that a logarithmic axis shows the tail
};

struct Axis {
  std::string title;
  Unit unit = Unit::kCount;
  bool logarithmic = false;  // numbers of 0 and below are left out then
};

struct Line {
  std::string label;
  std::vector<std::pair<double, double>> points;  // x, y; y NaN: a gap
  unsigned colour = 0;                            // of the palette, which has six and begins again
  bool dashed = false;                            // tells two lines of one colour apart
};

// Lines over a common axis. With categories it is bars: x of a point is the number of its category.
struct Chart {
  std::string title;
  std::string note;  // one sentence below the title; may be empty
  Axis x;
  Axis y;
  std::vector<Line> lines;
  std::vector<std::string> categories;
};

// A figure that must be seen first.
struct Tile {
  std::string label;
  std::string value;
  std::string note;
};

// The first column is text, the others are figures.
struct Table {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

struct PageVerdict {
  std::string of;     // what it is about; may be empty
  std::string state;  // VALID, DEGRADED, INVALID
  std::vector<std::string> reasons;
};

struct Page {
  std::string title;
  std::string subtitle;
  std::vector<PageVerdict> verdicts;
  std::vector<Tile> tiles;
  std::vector<Chart> charts;  // those without a point are left out
  std::vector<Table> tables;  // those without a row are left out
  std::string footer;
};

std::string to_html(const Page& page);

// For a place between tags or in a quoted attribute.
std::string escape_html(std::string_view text);

}  // namespace pollux::app
