# Which commit is being built, and its date: cmake -D SOURCE=FOLDER -D OUTPUT=HEADER -P BuildInfo.cmake
# Each build runs this; the header is written only when something in it changed, so nothing is compiled anew otherwise.
# SOURCE_DATE_EPOCH goes before the commit's date, and the clock is never asked: builds can be reproduced.

find_program(GIT git)

# The answer of git about SOURCE; empty when there is none.
function(ask_git ret_answer)
  set(answer "")
  if(GIT)
    execute_process(COMMAND "${GIT}" -C "${SOURCE}" ${ARGN}
      OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(${ret_answer} "${answer}" PARENT_SCOPE)
endfunction()

set(commit "unknown")
set(time "unknown")
set(epoch "$ENV{SOURCE_DATE_EPOCH}")
file(REAL_PATH "${SOURCE}" source)
ask_git(top rev-parse --show-toplevel)
if(top STREQUAL source) # not that of a checkout around an unpacked archive
  ask_git(hash rev-parse HEAD)
  ask_git(date log -1 --format=%ct)
  if(hash MATCHES "^[0-9a-f]+$")
    string(SUBSTRING "${hash}" 0 12 commit)
  endif()
  if(epoch STREQUAL "")
    set(epoch "${date}")
  endif()
endif()
if(epoch MATCHES "^[0-9]+$")
  set(ENV{SOURCE_DATE_EPOCH} "${epoch}")
  string(TIMESTAMP time "%Y-%m-%dT%H:%M:%SZ" UTC)
endif()

set(text "#define DTR_BUILD_COMMIT \"${commit}\"\n#define DTR_BUILD_TIME   \"${time}\"\n")
set(old "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" old)
endif()
if(NOT old STREQUAL text)
  file(WRITE "${OUTPUT}" "${text}")
endif()
