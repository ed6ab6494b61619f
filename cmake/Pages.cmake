# Pages for browsers (web/): GraphiQL and the API's description, gzipped and built into the program. What they are made of comes from
# published packages, fetched once for all presets into build/pages; where npm or the network is missing, the program is built
# without them, which is said here and by the program when it is asked for one.
#   cvf_pages(<target>)
set(CVF_PAGES AUTO CACHE STRING "Pages for browsers: ON, OFF, or AUTO: if what they are made of can be fetched")
set_property(CACHE CVF_PAGES PROPERTY STRINGS AUTO ON OFF)

function(cvf_pages target)
  set(fetched ${CMAKE_SOURCE_DIR}/build/pages)
  set(out ${CMAKE_BINARY_DIR}/pages)
  set(assets)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/packages ${CMAKE_SOURCE_DIR}/web/fetch)
  if(CVF_PAGES STREQUAL "OFF")
    message(STATUS "Pages for browsers: left out (CVF_PAGES=OFF)")
  else()
    execute_process(COMMAND ${CMAKE_SOURCE_DIR}/web/fetch ${fetched} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said
                    OUTPUT_STRIP_TRAILING_WHITESPACE TIMEOUT 300)
    if(NOT failed STREQUAL "0")
      if(CVF_PAGES STREQUAL "ON")
        message(FATAL_ERROR "Pages for browsers: ${said}")
      endif()
      message(STATUS "Pages for browsers: left out, for ${said}")
    else()
      message(STATUS "Pages for browsers: built in")
      file(STRINGS ${CMAKE_SOURCE_DIR}/web/packages files REGEX "^file ")
      foreach(line IN LISTS files)
        string(REGEX REPLACE "^file ([^ ]+) .*" "\\1" name "${line}")
        list(APPEND assets ${fetched}/${name}.gz)
      endforeach()
      list(APPEND assets ${fetched}/licenses.txt.gz)
      file(MAKE_DIRECTORY ${out})
      foreach(name graphiql.html docs.html page.css token.js graphiql.js docs.js)
        add_custom_command(OUTPUT ${out}/${name}.gz COMMAND sh -c "gzip -9nc '${CMAKE_SOURCE_DIR}/web/${name}' > '${out}/${name}.gz'"
                           DEPENDS ${CMAKE_SOURCE_DIR}/web/${name} VERBATIM)
        list(APPEND assets ${out}/${name}.gz)
      endforeach()
    endif()
  endif()
  # The bytes go in by the assembler: neither compiler has to read them as text.
  set(symbols "")
  set(bytes "")
  set(rows "")
  set(number 0)
  foreach(asset IN LISTS assets)
    get_filename_component(name ${asset} NAME)
    string(REGEX REPLACE "\\.gz$" "" name ${name})
    string(APPEND bytes "asm(\".pushsection .rodata\\n.balign 16\\ncvf_page_${number}:\\n.incbin \\\"${asset}\\\"\\ncvf_page_${number}_end:\\n.popsection\");\n")
    string(APPEND symbols "extern const char cvf_page_${number}[], cvf_page_${number}_end[];\n")
    string(APPEND rows "    {\"${name}\", {cvf_page_${number}, cvf_page_${number}_end}},\n")
    math(EXPR number "${number} + 1")
  endforeach()
  file(CONFIGURE OUTPUT ${out}/pages_data.cpp @ONLY CONTENT
"// Made by cmake/Pages.cmake.
#include <vector>

#include \"api/pages.h\"

@bytes@
extern \"C\" {
@symbols@}

namespace cvf::api {

const std::vector<Asset>& assets() {
    static const std::vector<Asset> all{
@rows@    };
    return all;
}

}  // namespace cvf::api
")
  target_sources(${target} PRIVATE ${out}/pages_data.cpp)
  set_source_files_properties(${out}/pages_data.cpp PROPERTIES OBJECT_DEPENDS "${assets}")
endfunction()
