# darter_module(NAME SOURCES a.c ... [LINKS lib ...])
# Builds modules/<name>.so: hidden visibility, no undefined symbols, the ABI note kept. A third party
# uses it after find_path(DARTER_INCLUDE darter/module.h); inside the Darter tree it is found as it is.
function(darter_module name)
  cmake_parse_arguments(M "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} MODULE ${M_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/modules")
  if(TARGET dtr_flags)
    target_link_libraries(${name} PRIVATE dtr_flags)
  else()
    target_include_directories(${name} PRIVATE "${DARTER_INCLUDE}")
  endif()
  target_link_libraries(${name} PRIVATE ${M_LINKS})
  # Clang leaves the sanitizer's symbols to the program, so they are undefined here.
  if(NOT (DTR_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES "Clang"))
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/darter/modules)
endfunction()
