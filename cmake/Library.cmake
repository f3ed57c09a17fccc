# Compiler settings that every target of the project shares; they are not passed on to those who link it.
add_library(safer_settings INTERFACE)
target_compile_options(safer_settings INTERFACE -Wall -Wextra $<$<NOT:$<BOOL:$<TARGET_PROPERTY:MAY_SHADOW>>>:-Wshadow> -Wconversion -Wsign-conversion
                                               $<$<BOOL:${SAFER_WERROR}>:-Werror>)
if(SAFER_SANITIZE)
  target_compile_options(safer_settings INTERFACE -fsanitize=${SAFER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(SAFER_SANITIZE MATCHES "undefined")
    # AddressSanitizer finds these too; checked twice, they double the time of compilation.
    target_compile_options(safer_settings INTERFACE -fno-sanitize=null,object-size,pointer-overflow)
  endif()
  target_link_options(safer_settings INTERFACE -fsanitize=${SAFER_SANITIZE})
endif()

# safer_library(NAME [LINK public dependencies...] [PRIVATE header-only dependencies...])
# One static library from the sources of the current folder (but not of folders in it with a CMakeLists.txt of their own), called
# safer_NAME here and safer::NAME outside. Private dependencies are needed to build it, not to link it: an installed library does not
# ask for them.
function(safer_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK;PRIVATE")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  file(GLOB_RECURSE others RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*/CMakeLists.txt)
  foreach(other IN LISTS others)
    get_filename_component(folder ${other} DIRECTORY)
    list(FILTER sources EXCLUDE REGEX "/${folder}/[^/]*$")
  endforeach()
  add_library(safer_${name} STATIC ${sources})
  add_library(safer::${name} ALIAS safer_${name})
  set_target_properties(safer_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(safer_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/safer>)
  target_compile_features(safer_${name} PUBLIC cxx_std_20)
  target_link_libraries(safer_${name} PUBLIC ${arg_LINK} PRIVATE $<BUILD_INTERFACE:safer_settings>)
  foreach(dependency IN LISTS arg_PRIVATE)
    target_link_libraries(safer_${name} PRIVATE $<BUILD_INTERFACE:${dependency}>)
  endforeach()
  set_property(GLOBAL APPEND PROPERTY SAFER_LIBRARIES safer_${name})
endfunction()

# safer_precompile(TARGET headers... | REUSE_FROM target of the same compiler options)
# Off by default: a file must compile with its own includes alone, which nobody would notice otherwise, and a change of one header
# listed here compiles the whole target anew. It pays where everything is compiled once.
function(safer_precompile target)
  if(SAFER_PRECOMPILE)
    if(ARGV1 STREQUAL "REUSE_FROM")
      target_precompile_headers(${target} REUSE_FROM ${ARGV2})
    else()
      target_precompile_headers(${target} PRIVATE ${ARGN})
    endif()
  endif()
endfunction()
