// The one place where ns-3's headers come in: Debian's ns-3 3.37, mended for C++20. Include it in .cc files of
// this folder only, first of all, and name there what is needed of <ns3/...>.
#pragma once

#include <cstring>  // ns-3's headers need it and do not say so

// GCC 12 refuses ns-3's templates Singleton and SimulationSingleton under C++20, because their constructors and
// destructors are named with template arguments. These are the same classes by the same names; the guards keep
// the originals out.
#define SINGLETON_H
#define SIMULATION_SINGLETON_H

#include <ns3/simulator.h>

namespace ns3 {

template <typename T>
class Singleton {
 public:
  Singleton(const Singleton&) = delete;
  Singleton& operator=(const Singleton&) = delete;
  static T* Get() {
    static T object;
    return &object;
  }

 protected:
  Singleton() = default;
  virtual ~Singleton() = default;
};

template <typename T>
class SimulationSingleton {
 public:
  SimulationSingleton() = delete;
  static T* Get() {
    T*& object = instance();
    if (object == nullptr) {
      object = new T();
      Simulator::ScheduleDestroy(&SimulationSingleton<T>::destroy);
    }
    return object;
  }

 private:
  static T*& instance() {
    static T* object = nullptr;
    return object;
  }
  static void destroy() {
    delete instance();
    instance() = nullptr;
  }
};

}  // namespace ns3
