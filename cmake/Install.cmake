# find_package(safer) gives safer::engine, safer::models, safer::criteria and the command.
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY SAFER_LIBRARIES)
install(TARGETS ${libraries} EXPORT saferTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS safer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(folder engine models criteria)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/safer FILES_MATCHING PATTERN "*.h"
          PATTERN database EXCLUDE)
endforeach()
install(EXPORT saferTargets NAMESPACE safer:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/safer)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/saferConfig.cmake.in ${PROJECT_BINARY_DIR}/saferConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/safer)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/saferConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/saferConfig.cmake ${PROJECT_BINARY_DIR}/saferConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/safer)
