# Each dependency comes from the system when it has it, else from its public home, pinned by tag.
include(FetchContent)

find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Threads REQUIRED)

# safer_dependency(NAME TARGET its-target REPOSITORY url TAG tag [OPTIONS name=value...])
# The options are set for the fetched project's own build only.
function(safer_dependency name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TARGET;REPOSITORY;TAG" "OPTIONS")
  find_package(${name} QUIET CONFIG)
  if(TARGET ${arg_TARGET})
    return()
  endif()
  message(STATUS "${name}: not installed, fetching ${arg_TAG} from ${arg_REPOSITORY}")
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # option() of the fetched project leaves the variables set here alone
  set(BUILD_TESTING OFF)
  foreach(option IN LISTS arg_OPTIONS)
    string(REGEX MATCH "^([^=]+)=(.*)$" matched ${option})
    set(${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
  endforeach()
  FetchContent_Declare(${name} GIT_REPOSITORY ${arg_REPOSITORY} GIT_TAG ${arg_TAG} GIT_SHALLOW ON)
  FetchContent_MakeAvailable(${name})
  if(NOT TARGET ${arg_TARGET})
    message(FATAL_ERROR "${name} ${arg_TAG} was fetched, but it does not define the target ${arg_TARGET}")
  endif()
  # Its headers are not ours to warn about.
  get_target_property(target ${arg_TARGET} ALIASED_TARGET)
  if(NOT target)
    set(target ${arg_TARGET})
  endif()
  get_target_property(headers ${target} INTERFACE_INCLUDE_DIRECTORIES)
  set_target_properties(${target} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${headers}")
endfunction()

safer_dependency(Eigen3 TARGET Eigen3::Eigen REPOSITORY https://gitlab.com/libeigen/eigen.git TAG 3.4.0
                 OPTIONS EIGEN_BUILD_DOC=OFF EIGEN_BUILD_PKGCONFIG=OFF)
safer_dependency(xsimd TARGET xsimd REPOSITORY https://github.com/xtensor-stack/xsimd.git TAG 8.1.0
                 OPTIONS BUILD_TESTS=OFF)
# Debian's target also names xtl, which only the complex numbers of xsimd need; headers alone are all that is used here.
set_target_properties(xsimd PROPERTIES INTERFACE_LINK_LIBRARIES "")
# fmt stands in our public headers, so it is installed with us where it was fetched.
safer_dependency(fmt TARGET fmt::fmt-header-only REPOSITORY https://github.com/fmtlib/fmt.git TAG 9.1.0 OPTIONS FMT_INSTALL=ON)
if(NOT SAFER_ENGINE_ONLY)
  safer_dependency(nlohmann_json TARGET nlohmann_json::nlohmann_json REPOSITORY https://github.com/nlohmann/json.git TAG v3.11.2
                   OPTIONS JSON_BuildTests=OFF)
  safer_dependency(cxxopts TARGET cxxopts::cxxopts REPOSITORY https://github.com/jarro2783/cxxopts.git TAG v3.1.1
                   OPTIONS CXXOPTS_BUILD_EXAMPLES=OFF CXXOPTS_BUILD_TESTS=OFF CXXOPTS_ENABLE_INSTALL=OFF)
  # stb is headers without a build of their own, and without releases: the commit is that of Debian 12.
  find_path(STB_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb)
  if(NOT STB_INCLUDE_DIR)
    message(STATUS "stb: not installed, fetching from https://github.com/nothings/stb.git")
    FetchContent_Declare(stb GIT_REPOSITORY https://github.com/nothings/stb.git GIT_TAG 8b5f1f37b5b75829fc72d38e7b5d4bcbf8a26d55)
    FetchContent_MakeAvailable(stb)
    set(STB_INCLUDE_DIR ${stb_SOURCE_DIR})
  endif()
  add_library(safer_stb INTERFACE)
  target_include_directories(safer_stb SYSTEM INTERFACE ${STB_INCLUDE_DIR})
  # Protozero is headers alone, and Debian's package says no more than where they lie.
  find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_reader.hpp)
  if(NOT PROTOZERO_INCLUDE_DIR)
    message(STATUS "protozero: not installed, fetching v1.7.1 from https://github.com/mapbox/protozero.git")
    FetchContent_Declare(protozero GIT_REPOSITORY https://github.com/mapbox/protozero.git GIT_TAG v1.7.1 GIT_SHALLOW ON
                         SOURCE_SUBDIR headers_only)
    FetchContent_MakeAvailable(protozero)
    set(PROTOZERO_INCLUDE_DIR ${protozero_SOURCE_DIR}/include)
  endif()
  add_library(protozero::protozero INTERFACE IMPORTED GLOBAL)
  target_include_directories(protozero::protozero INTERFACE ${PROTOZERO_INCLUDE_DIR})
  # SQLite comes with CMake's own find module; elsewhere as its authors' single C file.
  find_package(SQLite3 QUIET)
  if(NOT TARGET SQLite::SQLite3)
    message(STATUS "SQLite3: not installed, fetching 3.40.1 from https://www.sqlite.org")
    enable_language(C)
    FetchContent_Declare(sqlite URL https://www.sqlite.org/2022/sqlite-amalgamation-3400100.zip)
    FetchContent_MakeAvailable(sqlite)
    add_library(safer_sqlite STATIC ${sqlite_SOURCE_DIR}/sqlite3.c)
    target_include_directories(safer_sqlite SYSTEM PUBLIC ${sqlite_SOURCE_DIR})
    target_link_libraries(safer_sqlite PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
    add_library(SQLite::SQLite3 ALIAS safer_sqlite)
  endif()
endif()
if(SAFER_BUILD_TESTS)
  safer_dependency(doctest TARGET doctest::doctest REPOSITORY https://github.com/doctest/doctest.git TAG v2.4.9
                   OPTIONS DOCTEST_WITH_TESTS=OFF DOCTEST_NO_INSTALL=ON)
endif()
if(SAFER_BUILD_BENCH)
  safer_dependency(benchmark TARGET benchmark::benchmark REPOSITORY https://github.com/google/benchmark.git TAG v1.7.1
                   OPTIONS BENCHMARK_ENABLE_TESTING=OFF BENCHMARK_ENABLE_INSTALL=OFF)
endif()
