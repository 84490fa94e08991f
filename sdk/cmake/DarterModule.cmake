# darter_module(NAME SOURCES a.c ... [LINKS lib ...] [TEST])
# Builds modules/<name>.so: hidden visibility, no undefined symbols, the ABI note kept. With TEST it is
# built into tests/modules instead and not installed. A third party
# finds this file by pkg-config (cmakedir of darter.pc) and sets DARTER_INCLUDE to the folder that holds
# darter/module.h; inside the Darter tree it is found as it is. DTR_SANITIZE names sanitizers, if any.
include(GNUInstallDirs)

function(darter_module name)
  cmake_parse_arguments(M "TEST" "" "SOURCES;LINKS" ${ARGN})
  if(M_TEST)
    set(folder "${CMAKE_BINARY_DIR}/tests/modules")
  else()
    set(folder "${CMAKE_BINARY_DIR}/modules")
  endif()
  add_library(${name} MODULE ${M_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY "${folder}")
  if(TARGET dtr_flags)
    target_link_libraries(${name} PRIVATE dtr_flags)
  else()
    target_compile_features(${name} PRIVATE c_std_17)
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_include_directories(${name} PRIVATE ${DARTER_INCLUDE})
    if(DTR_SANITIZE)
      target_compile_options(${name} PRIVATE -fsanitize=${DTR_SANITIZE})
      target_link_options(${name} PRIVATE -fsanitize=${DTR_SANITIZE})
    endif()
  endif()
  target_link_libraries(${name} PRIVATE ${M_LINKS})
  target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)
  # Clang leaves the sanitizer's symbols to the program, so they are undefined here.
  if(NOT (DTR_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES "Clang"))
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  if(NOT M_TEST)
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/darter/modules)
  endif()
endfunction()
