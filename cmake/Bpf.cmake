# Kernel programs: bpf/<name>.bpf.c -> object -> bpftool's skeleton <build>/bpf/<name>.skel.h, which embeds the object. Relocated to the
# running kernel at load (CO-RE), so neither a kernel's headers nor its BTF are needed here.
#   cvf_bpf(<target> <name>...)   makes the skeletons and lets <target> include them
find_program(BPF_CLANG clang-19 REQUIRED)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(bpf_arch arm64)
  set(bpf_include /usr/include/aarch64-linux-gnu)
else()
  set(bpf_arch x86)
  set(bpf_include /usr/include/x86_64-linux-gnu)
endif()

function(cvf_bpf target)
  set(out ${CMAKE_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${out})
  foreach(name IN LISTS ARGN)
    set(source ${CMAKE_SOURCE_DIR}/bpf/${name}.bpf.c)
    add_custom_command(
      OUTPUT ${out}/${name}.skel.h
      COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -D__TARGET_ARCH_${bpf_arch}
              -I${bpf_include} -I${CMAKE_SOURCE_DIR}/bpf -MD -MT ${out}/${name}.skel.h -MF ${out}/${name}.d
              -c ${source} -o ${out}/${name}.raw.o
      COMMAND ${BPFTOOL} gen object ${out}/${name}.bpf.o ${out}/${name}.raw.o
      COMMAND ${BPFTOOL} gen skeleton ${out}/${name}.bpf.o name ${name}_bpf > ${out}/${name}.skel.tmp
      COMMAND ${CMAKE_COMMAND} -E rename ${out}/${name}.skel.tmp ${out}/${name}.skel.h
      DEPENDS ${source}
      DEPFILE ${out}/${name}.d
      COMMENT "BPF ${name}"
      VERBATIM)
    list(APPEND skeletons ${out}/${name}.skel.h)
  endforeach()
  add_custom_target(${target}_bpf DEPENDS ${skeletons})
  add_dependencies(${target} ${target}_bpf)
  # SYSTEM: the generated code is not held to our warnings.
  target_include_directories(${target} SYSTEM PRIVATE ${out})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})  # bpf/shared.h
endfunction()
