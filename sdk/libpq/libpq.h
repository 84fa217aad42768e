// PostgreSQL's client library, loaded when it is first asked for.
//
// It brings thirty libraries with it (Kerberos, LDAP) and 3 MiB of memory, which a worker without a database in
// PostgreSQL need not carry. So nothing is linked with it: load_libpq() first, then libpq().PQexecParams(...) as its
// manual says.
//
// Errors: one sentence, when libpq.so.5 is not installed or lacks a function. Threads: any. It is never unloaded.
#pragma once

#include <libpq-fe.h>

#include "base/result.h"

namespace wherry {

// The functions that Wherry calls.
#define WHERRY_LIBPQ_FUNCTIONS(X) \
  X(PQclear)                      \
  X(PQconnectPoll)                \
  X(PQconnectStartParams)         \
  X(PQconnectdb)                  \
  X(PQconninfoFree)               \
  X(PQconninfoParse)              \
  X(PQconsumeInput)               \
  X(PQerrorMessage)               \
  X(PQexecParams)                 \
  X(PQfinish)                     \
  X(PQflush)                      \
  X(PQfreemem)                    \
  X(PQgetResult)                  \
  X(PQgetisnull)                  \
  X(PQgetlength)                  \
  X(PQgetvalue)                   \
  X(PQisBusy)                     \
  X(PQnotifies)                   \
  X(PQntuples)                    \
  X(PQresultErrorField)           \
  X(PQresultErrorMessage)         \
  X(PQresultStatus)               \
  X(PQsendPrepare)                \
  X(PQsendQuery)                  \
  X(PQsendQueryPrepared)          \
  X(PQsetNoticeProcessor)         \
  X(PQsetnonblocking)             \
  X(PQsocket)                     \
  X(PQstatus)

struct LibPq {
#define WHERRY_LIBPQ_MEMBER(name) decltype(&::name) name = nullptr;
  WHERRY_LIBPQ_FUNCTIONS(WHERRY_LIBPQ_MEMBER)
#undef WHERRY_LIBPQ_MEMBER
};

Result<void> load_libpq();
// Only after load_libpq() was well.
const LibPq& libpq();

}  // namespace wherry
