#pragma once

#include <fmt/format.h>

// fmt is used as headers alone, so that nothing but our own library must be linked. Its engine, most of the time that a short
// file takes to compile, is compiled once nevertheless, in format.cpp. The function has this signature in fmt 9, the version of
// Debian 12 and of what is fetched where a system has none; with others all works the same and takes longer to compile.
#if FMT_VERSION / 10000 == 9
extern template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view, fmt::format_args,
                                                   fmt::detail::locale_ref);
#endif
