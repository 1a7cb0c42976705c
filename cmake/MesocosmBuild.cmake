# How every target of this project is compiled: C++20, all warnings as errors, ccache, one target a folder.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)

find_program(CCACHE ccache)
if(CCACHE)
  # Sloppiness is what precompiled headers need; the base directory lets several checkouts share results.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()
find_program(LLD ld.lld)
if(LLD)
  add_link_options(-fuse-ld=lld)
endif()

add_library(meso_options INTERFACE)
target_compile_options(meso_options INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Taken for an error in guards on the stack whose address their object holds while they live (GCC 12, -O2).
  target_compile_options(meso_options INTERFACE -Wno-dangling-pointer)
  # Joining strings trips these in GCC 12's own headers, or not, by how long a literal is (its bug 105651 and the like):
  # a checkout's path is such a literal, and the build must not hang on where it lies.
  target_compile_options(meso_options INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(MESOCOSM_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A file's unnamed namespace is its own; included from another file it looks to GCC like a header's.
  target_compile_options(meso_options INTERFACE -Wno-subobject-linkage)
endif()
target_include_directories(meso_options INTERFACE ${CMAKE_SOURCE_DIR})
if(MESOCOSM_SANITIZE)
  # With sanitizers GCC 12 takes std::function inside the standard library for uninitialized.
  target_compile_options(meso_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  # Not vptr: it opens a pipe to look at memory, and takes its failing for a fault where a test leaves no descriptors.
  target_compile_options(meso_options INTERFACE -fsanitize=${MESOCOSM_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(meso_options INTERFACE -fsanitize=${MESOCOSM_SANITIZE})
endif()

# mesocosm_library(NAME FOLDER PUBLIC deps... PRIVATE deps...): target meso_NAME from every .cc file in FOLDER.
function(mesocosm_library name folder)
  cmake_parse_arguments(ARG "" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  if(sources)
    add_library(meso_${name} STATIC ${sources})
    target_link_libraries(meso_${name} PUBLIC meso_options ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
    set_target_properties(meso_${name} PROPERTIES UNITY_BUILD ${MESOCOSM_UNITY})
  else()
    add_library(meso_${name} INTERFACE)
    target_link_libraries(meso_${name} INTERFACE meso_options ${ARG_PUBLIC} ${ARG_PRIVATE})
  endif()
endfunction()

# mesocosm_shown(NAMES...): whoever the _core module loads may call these libraries' functions. Calls among themselves stay
# direct all the same: nobody takes their place.
function(mesocosm_shown)
  foreach(name ${ARGN})
    set_target_properties(meso_${name} PROPERTIES CXX_VISIBILITY_PRESET default)
    target_compile_options(meso_${name} PRIVATE -fno-semantic-interposition)
  endforeach()
endfunction()

# mesocosm_tests(NAME FOLDER [APART TAG] [deps...]): one Catch2 program from every .cc file in FOLDER, one test of ctest. The
# cases with the tag are a test of their own, so that it can run beside the others.
function(mesocosm_tests name folder)
  cmake_parse_arguments(ARG "" "APART" "" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  if(NOT sources)
    return()
  endif()
  if(NOT TARGET catch_main)  # Catch2's own code, compiled once
    add_library(catch_main STATIC ${CMAKE_SOURCE_DIR}/tests/main.cc)
    target_link_libraries(catch_main PUBLIC meso_options Catch2::Catch2)
    target_compile_definitions(catch_main PRIVATE MESOCOSM_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_compile_options(catch_main PRIVATE -O0)  # the longest file of all
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE catch_main ${ARG_UNPARSED_ARGUMENTS})
  target_precompile_headers(${name} PRIVATE <catch2/catch.hpp>)
  if(MESOCOSM_SANITIZE)  # optimizing the tests themselves takes longer than it saves
    target_compile_options(${name} PRIVATE -O0)
  endif()
  if(ARG_APART)
    add_test(NAME ${name} COMMAND ${name} "~[${ARG_APART}]")
    add_test(NAME ${name}_${ARG_APART} COMMAND ${name} "[${ARG_APART}]")
  else()
    add_test(NAME ${name} COMMAND ${name})
  endif()
endfunction()
