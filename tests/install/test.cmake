# Installs the build in BUILD into a folder of its own, and there compiles (with COMPILER) and runs the program that the README shows.
set(root ${CMAKE_CURRENT_LIST_DIR}/../..)
set(folder ${BUILD}/install-test)
set(sources ${root}/docs/examples/own_network.cpp ${CMAKE_CURRENT_LIST_DIR}/CMakeLists.txt)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(READ ${root}/README.md readme)
foreach(source IN LISTS sources)
  file(READ ${source} shown)
  string(FIND "${readme}" "${shown}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "README.md does not show ${source} as it is; copy it there")
  endif()
endforeach()

file(REMOVE_RECURSE ${folder})
file(COPY ${sources} DESTINATION ${folder}/source)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${folder}/prefix)
run(${folder}/prefix/bin/safer --version)
run(${CMAKE_COMMAND} -S ${folder}/source -B ${folder}/build -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=${COMPILER}
    -D CMAKE_PREFIX_PATH=${folder}/prefix)
run(${CMAKE_COMMAND} --build ${folder}/build)
run(${folder}/build/own_network)
